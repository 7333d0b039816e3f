//! `#[derive(Model)]`: a struct as a block.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Error, Field, Result};

use crate::attributes::Words;
use crate::docs::description;
use crate::{input, planning};

/// One field: how it stands in the schema, how it is read and how it is written.
struct Part {
    schema: TokenStream,
    decode: TokenStream,
    encode: TokenStream,
}

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let ident = &input.ident;
    let text = description(&input.attrs);
    let deprecated = deprecated(input)?;
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
                ::terraform_plugin::schema::Block::new(#text) #deprecated #(#schema)*
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

/// What the struct itself says.
fn deprecated(input: &DeriveInput) -> Result<TokenStream> {
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("tf")) {
        attribute.parse_nested_meta(|meta| match meta.path.is_ident("deprecated") {
            true => meta.value()?.parse::<syn::LitStr>().map(drop),
            false => {
                Err(meta.error("a struct can only be `deprecated = \"…\"`; everything else is said of its fields"))
            }
        })?;
    }
    let message = Words::among(&input.attrs)?.deprecated;
    Ok(message.map_or_else(TokenStream::new, |message| quote!(.deprecated(#message))))
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
    if let Some((_, others)) = &words.changes_with {
        known(others, &name, names)?;
    }
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
    if let Some((ty, why)) = input::unfit(ty) {
        return Err(Error::new_spanned(ty, why));
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
    planning::check(words, only_computed)?;
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
    schema.extend(validators(words));
    schema.extend(planning::calls(ty, words));
    Ok(quote!(.with(#schema)))
}

/// What values are allowed.
fn validators(words: &Words) -> TokenStream {
    let mut schema = TokenStream::new();
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
    schema
}

/// Other attributes or blocks have to be there.
fn known<'a>(others: impl IntoIterator<Item = &'a syn::LitStr>, name: &str, names: &[String]) -> Result<()> {
    for other in others {
        if other.value() == name {
            return Err(Error::new(other.span(), "name the others only: the attribute itself is meant anyway"));
        }
        if !names.contains(&other.value()) {
            let message = format!("there is no attribute or block `{}` here", other.value());
            return Err(Error::new(other.span(), message));
        }
    }
    Ok(())
}

/// What a field says of its neighbours, which have to be there.
fn relations(words: &Words, name: &str, names: &[String]) -> Result<TokenStream> {
    let mut calls = TokenStream::new();
    known(words.others(), name, names)?;
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
    let kind = input::outer(ty).unwrap_or_default();
    if !["Option", "Vec", "BlockSet", "BTreeMap", "Group"].contains(&kind.as_str()) {
        let message = "a nested block is an `Option<…>` (one, or none), a `Vec<…>` (a list), a `BlockSet<…>`, a \
                       `BTreeMap<String, …>` (with labels) or a `Group<…>` (always there) of a model";
        return Err(Error::new_spanned(ty, message));
    }
    let others = [words.optional, words.computed, words.sensitive];
    let others = others.into_iter().flatten().next();
    if let Some(span) = others.or(words.default.as_ref().map(|d| d.0)).or(words.rule()).or(words.planning()) {
        return Err(Error::new(span, "this is for attributes; a block may be `required`, `replace`, `min`, `max`"));
    }
    if let (Some((span, _)), false) = (words.min.or(words.max), ["Vec", "BlockSet"].contains(&kind.as_str())) {
        return Err(Error::new(span, "`min` and `max` are for lists of blocks: a single one is `required` or not"));
    }
    if let (Some(span), true) = (words.required, ["BTreeMap", "Group"].contains(&kind.as_str())) {
        return Err(Error::new(span, "Terraform doesn't count blocks with labels, and a group is always there"));
    }
    let text = description(&field.attrs);
    let mut schema = quote!(<#ty as ::terraform_plugin::value::Nested>::nested(#name, #text));
    if words.required.is_some() {
        schema.extend(quote!(.required()));
    }
    if words.replace.is_some() {
        schema.extend(quote!(.replace()));
    }
    if let Some(message) = &words.deprecated {
        schema.extend(quote!(.deprecated(#message)));
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
mod tests;
