//! `#[derive(Object)]`: a struct as an object type.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Error, Field, Result};

use crate::attributes::Words;
use crate::docs::description;
use crate::input;

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let ident = &input.ident;
    let fields = input::fields(input, "Object")?;
    let mut schema = Vec::new();
    let mut decode = Vec::new();
    let mut encode = Vec::new();
    let mut sensitive = Vec::new();
    for field in fields {
        let words = Words::of(field)?;
        check(field, &words)?;
        let (ident, ty) = (&field.ident, &field.ty);
        let name = words.name.as_ref().map_or_else(|| input::name(field), syn::LitStr::value);
        let text = description(&field.attrs);
        let optional = words.optional.is_some();
        schema.push(quote!(::terraform_plugin::schema::Field::of::<#ty>(#name, #text, #optional)));
        sensitive.push(quote!(<#ty as ::terraform_plugin::Typed>::sensitive()));
        decode.push(quote!(#ident: fields.attribute(#name)?));
        encode.push(quote!((#name, ::terraform_plugin::Typed::encode(&self.#ident))));
    }
    Ok(quote! {
        #[automatically_derived]
        impl ::terraform_plugin::Typed for #ident {
            fn ty() -> ::terraform_plugin::Type {
                ::terraform_plugin::schema::Field::object_type(&<Self as ::terraform_plugin::Typed>::fields())
            }

            fn fields() -> ::std::vec::Vec<::terraform_plugin::schema::Field> {
                ::std::vec![#(#schema),*]
            }

            fn sensitive() -> bool {
                false #(|| #sensitive)*
            }

            fn decode(
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

fn check(field: &Field, words: &Words) -> Result<()> {
    if !input::is(&field.ty, "Attr") {
        return Err(Error::new_spanned(&field.ty, "a field of an object is an `Attr<…>`: it may be null or unknown"));
    }
    if let Some((ty, why)) = input::unfit(&field.ty) {
        return Err(Error::new_spanned(ty, why));
    }
    let others = [words.required, words.computed, words.sensitive, words.replace, words.block];
    let others = others.into_iter().flatten().next();
    let others = others.or(words.default.as_ref().map(|d| d.0)).or(words.rule());
    let others = others.or(words.others().next().map(syn::LitStr::span));
    let others = others.or(words.min.map(|m| m.0)).or(words.max.map(|m| m.0));
    let others = others.or(words.planning()).or(words.deprecated.as_ref().map(syn::LitStr::span));
    match others {
        None => Ok(()),
        Some(span) => Err(Error::new(
            span,
            "a field of an object can only be `optional`: protocol 5 has nothing else for it; use a block",
        )),
    }
}
