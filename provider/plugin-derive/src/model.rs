//! `#[derive(Model)]`: a struct as a block.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Error, Field, Result};

use crate::attributes::Words;
use crate::docs::description;
use crate::input;

/// One field: how it stands in the schema, how it is read and how it is written.
struct Part {
    schema: TokenStream,
    decode: TokenStream,
    encode: TokenStream,
}

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let ident = &input.ident;
    let text = description(&input.attrs);
    let mut parts = Vec::new();
    let mut errors: Option<Error> = None;
    let fields = input::fields(input, "Model")?;
    let names: Vec<_> =
        fields.iter().filter_map(|field| Words::of(field).ok().map(|words| name(field, &words))).collect();
    for field in fields {
        match part(field, &names) {
            Ok(part) => parts.push(part),
            Err(error) => match &mut errors {
                Some(errors) => errors.combine(error),
                None => errors = Some(error),
            },
        }
    }
    if let Some(errors) = errors {
        return Err(errors);
    }
    let schema = parts.iter().map(|part| &part.schema);
    let decode = parts.iter().map(|part| &part.decode);
    let encode = parts.iter().map(|part| &part.encode);
    Ok(quote! {
        #[automatically_derived]
        impl ::terraform_plugin::Model for #ident {
            fn block() -> ::terraform_plugin::schema::Block {
                ::terraform_plugin::schema::Block::new(#text) #(#schema)*
            }

            fn decode_at(
                value: &::terraform_plugin::Value,
                path: &::terraform_plugin::Path,
            ) -> ::core::result::Result<Self, ::terraform_plugin::ValueError> {
                let fields = ::terraform_plugin::value::Fields::of(value, path)?;
                let _ = &fields;
                ::core::result::Result::Ok(Self { #(#decode,)* })
            }

            fn encode(&self) -> ::terraform_plugin::Value {
                ::terraform_plugin::Value::object::<&str>([#(#encode,)*])
            }
        }
    })
}

/// The name of the attribute or block that a field stands for.
fn name(field: &Field, words: &Words) -> String {
    words.name.as_ref().map_or_else(|| input::name(field), syn::LitStr::value)
}

fn part(field: &Field, names: &[String]) -> Result<Part> {
    let words = Words::of(field)?;
    let ident = &field.ident;
    let name = name(field, &words);
    let (mut schema, kind) = match words.block {
        Some(_) => (block(field, &words, &name)?, quote!(Nested)),
        None => (attribute(field, &words, &name)?, quote!(Typed)),
    };
    schema.extend(relations(&words, &name, names)?);
    let read = if words.block.is_some() { quote!(block) } else { quote!(attribute) };
    Ok(Part {
        schema,
        decode: quote!(#ident: fields.#read(#name)?),
        encode: quote!((#name, ::terraform_plugin::value::#kind::encode(&self.#ident))),
    })
}

fn attribute(field: &Field, words: &Words, name: &str) -> Result<TokenStream> {
    let ty = &field.ty;
    if !input::is(ty, "Attr") {
        let message = if input::is(ty, "Option") || input::is(ty, "Vec") {
            "an attribute is an `Attr<…>`: it may be unknown at plan; a nested block needs `#[tf(block)]`"
        } else {
            "an attribute is an `Attr<…>`: it may be null, and unknown at plan"
        };
        return Err(Error::new_spanned(ty, message));
    }
    if let Some((span, _)) = words.min.or(words.max) {
        return Err(Error::new(span, "`min` and `max` count blocks; for numbers there is `range(0, 1)`"));
    }
    if let (Some(span), true) = (words.required, words.optional.is_some() || words.computed.is_some()) {
        return Err(Error::new(span, "`required` excludes `optional` and `computed`"));
    }
    if let (Some(span), Some(_)) = (words.required, &words.default) {
        return Err(Error::new(span, "`required` excludes `default`: what has a default may be left out"));
    }
    if words.required.or(words.optional).or(words.computed).is_none() && words.default.is_none() {
        let message = "say who sets it: `#[tf(required)]`, `#[tf(optional)]`, `#[tf(computed)]` or a `default`";
        return Err(Error::new_spanned(&field.ident, message));
    }
    let only_computed = words.required.is_none() && words.optional.is_none() && words.default.is_none();
    let for_users = words.replace.or(words.rule()).or(words.others().next().map(syn::LitStr::span));
    if let (true, Some(span)) = (only_computed, for_users) {
        return Err(Error::new(span, "this makes no sense for what only the provider sets"));
    }
    if let (Some(span), false) = (words.sensitive, input::mentions(ty, "Secret")) {
        let message = "what is sensitive is an `Attr<Secret<…>>`: else `Debug` prints it, and some day a log has it";
        return Err(Error::new(span, message));
    }
    let text = description(&field.attrs);
    let mut schema = quote!(::terraform_plugin::schema::Attribute::of::<#ty>(#name, #text));
    let flags = [
        (words.required, quote!(.required())),
        (words.optional, quote!(.optional())),
        (words.computed, quote!(.computed())),
        (words.sensitive, quote!(.sensitive())),
        (words.replace, quote!(.replace())),
    ];
    schema.extend(flags.into_iter().filter(|(word, _)| word.is_some()).map(|(_, call)| call));
    if let Some((_, value)) = &words.default {
        schema.extend(quote!(.default(#value)));
    }
    if let Some((_, values)) = &words.one_of {
        let allowed = quote!(::terraform_plugin::schema::Validator::OneOf(::std::vec![#(#values),*]));
        schema.extend(quote!(.validated(#allowed)));
    }
    if let Some((_, first, last)) = words.range {
        let number = quote!(::terraform_plugin::Number::from);
        let allowed = quote!(::terraform_plugin::schema::Validator::Range(#number(#first), #number(#last)));
        schema.extend(quote!(.validated(#allowed)));
    }
    if let Some((_, least, most)) = words.length {
        schema.extend(quote!(.validated(::terraform_plugin::schema::Validator::Length(#least, #most))));
    }
    if let Some((_, pattern)) = &words.regex {
        let allowed = quote!(::terraform_plugin::schema::Validator::Matches(::std::string::String::from(#pattern)));
        schema.extend(quote!(.validated(#allowed)));
    }
    Ok(quote!(.with(#schema)))
}

/// What a field says of its neighbours, which have to be there.
fn relations(words: &Words, name: &str, names: &[String]) -> Result<TokenStream> {
    let mut calls = TokenStream::new();
    for other in words.others() {
        if other.value() == name {
            return Err(Error::new(other.span(), "name the others only: the attribute itself is meant anyway"));
        }
        if !names.contains(&other.value()) {
            let message = format!("there is no attribute or block `{}` here", other.value());
            return Err(Error::new(other.span(), message));
        }
    }
    let relation = quote!(::terraform_plugin::schema::Relation);
    for other in words.conflicts_with.iter().flatten() {
        calls.extend(quote!(.related(#relation::conflict(#name, #other))));
    }
    if let Some(others) = &words.exactly_one_of {
        calls.extend(quote!(.related(#relation::exactly_one([#name, #(#others),*]))));
    }
    if let Some(others) = &words.at_least_one_of {
        calls.extend(quote!(.related(#relation::at_least_one([#name, #(#others),*]))));
    }
    Ok(calls)
}

fn block(field: &Field, words: &Words, name: &str) -> Result<TokenStream> {
    let ty = &field.ty;
    if !(input::is(ty, "Option") || input::is(ty, "Vec")) {
        let message = "a nested block is an `Option<…>` (one, or none) or a `Vec<…>` (a list) of a model";
        return Err(Error::new_spanned(ty, message));
    }
    let others = [words.optional, words.computed, words.sensitive];
    let others = others.into_iter().flatten().next();
    if let Some(span) = others.or(words.default.as_ref().map(|d| d.0)).or(words.rule()) {
        return Err(Error::new(span, "this is for attributes; a block may be `required`, `replace`, `min`, `max`"));
    }
    if let (Some((span, _)), false) = (words.min.or(words.max), input::is(ty, "Vec")) {
        return Err(Error::new(span, "`min` and `max` are for lists of blocks: a single one is `required` or not"));
    }
    let text = description(&field.attrs);
    let mut schema = quote!(<#ty as ::terraform_plugin::value::Nested>::nested(#name, #text));
    if words.required.is_some() {
        schema.extend(quote!(.required()));
    }
    if words.replace.is_some() {
        schema.extend(quote!(.replace()));
    }
    if let Some((_, min)) = words.min {
        schema.extend(quote!(.at_least(#min)));
    }
    if let Some((_, max)) = words.max {
        schema.extend(quote!(.at_most(#max)));
    }
    Ok(quote!(.with_block(#schema)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use syn::parse_str;

    use super::*;

    /// What the compiler tells the author of a struct with this field.
    fn message(field: &str) -> String {
        let input = format!("struct Bucket {{ {field} }}");
        match expand(&parse_str(&input).unwrap()) {
            Ok(_) => String::new(),
            Err(errors) => errors.into_iter().map(|error| error.to_string()).collect::<Vec<_>>().join(" | "),
        }
    }

    #[test]
    fn what_makes_sense() {
        for field in [
            "#[tf(required, replace, one_of(\"a\", \"b\"))] name: Attr<String>",
            "#[tf(default = -1, range(-1, 1))] number: Attr<i64>",
            "#[tf(optional, default = true)] flag: value::Attr<bool>",
            "#[tf(computed)] #[tf(sensitive)] r#ref: Attr<Vec<Attr<Secret<String>>>>",
            "#[tf(block)] single: Option<Single>",
            "#[tf(block, min = 1, max = 2, replace)] list: Vec<Element>",
            "#[tf(optional, name = \"type\")] kind: Attr<String>",
            "#[tf(required, length(1, 63), regex = \"[a-z]+\")] name: Attr<String>",
            "#[tf(optional, conflicts_with(\"b\"))] a: Attr<String>, #[tf(block, exactly_one_of(\"a\"))] b: Option<B>",
        ] {
            assert_eq!(message(field), "", "{field}");
        }
    }

    #[test]
    fn what_does_not_and_why() {
        for (field, expected) in [
            ("name: Attr<String>", "say who sets it"),
            ("#[tf(required)] name: String", "an attribute is an `Attr<…>`: it may be null"),
            ("#[tf(optional)] name: Option<String>", "a nested block needs `#[tf(block)]`"),
            ("#[tf(required, optional)] name: Attr<String>", "`required` excludes `optional`"),
            ("#[tf(required, default = 1)] name: Attr<i64>", "what has a default may be left out"),
            ("#[tf(required, required)] name: Attr<String>", "said twice"),
            ("#[tf(requires)] name: Attr<String>", "`requires` is unknown here; there are `required`"),
            ("#[tf(computed, replace)] name: Attr<String>", "what only the provider sets"),
            ("#[tf(computed, range(0, 1))] name: Attr<i64>", "what only the provider sets"),
            ("#[tf(required, range(1, 0))] name: Attr<i64>", "this range is empty"),
            ("#[tf(required, range(1))] name: Attr<i64>", "a range has two ends"),
            ("#[tf(required, range(\"a\", \"b\"))] name: Attr<i64>", "expected a whole number"),
            ("#[tf(required, one_of())] name: Attr<String>", "allows nothing"),
            ("#[tf(required, length(2, 1))] name: Attr<String>", "a length has two ends"),
            ("#[tf(required, length(1))] name: Attr<String>", "a length has two ends"),
            ("#[tf(computed, regex = \"a\")] name: Attr<String>", "what only the provider sets"),
            ("#[tf(optional, conflicts_with())] name: Attr<String>", "name the others"),
            ("#[tf(optional, conflicts_with(\"nmae\"))] name: Attr<String>", "no attribute or block `nmae` here"),
            ("#[tf(optional, at_least_one_of(\"name\"))] name: Attr<String>", "the attribute itself is meant anyway"),
            ("#[tf(default = [1])] name: Attr<Vec<i64>>", "expected a literal"),
            ("#[tf(required, sensitive)] name: Attr<String>", "what is sensitive is an `Attr<Secret<…>>`"),
            ("#[tf(required, min = 1)] name: Attr<i64>", "`min` and `max` count blocks"),
            ("#[tf(block)] name: Attr<Bucket>", "a nested block is an `Option<…>`"),
            ("#[tf(block, computed)] name: Option<Bucket>", "this is for attributes"),
            ("#[tf(block, max = 1)] name: Option<Bucket>", "a single one is `required` or not"),
            (
                "a: Attr<bool>, #[tf(required)] b: bool",
                "say who sets it: `#[tf(required)]`, `#[tf(optional)]`, \
              `#[tf(computed)]` or a `default` | an attribute is an `Attr<…>`",
            ),
        ] {
            let message = message(field);
            assert!(message.contains(expected), "{field}: {message}");
        }
    }

    #[test]
    fn only_plain_structs() {
        for (input, expected) in [
            ("enum Bucket {}", "can only be derived for a struct"),
            ("struct Bucket(Attr<String>);", "needs named fields"),
            ("struct Bucket<T> { name: Attr<T> }", "without parameters"),
        ] {
            let message = expand(&parse_str(input).unwrap()).unwrap_err().to_string();
            assert!(message.contains(expected), "{input}: {message}");
        }
    }
}
