//! What a field says of how it is planned.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, Result, Type};

use crate::attributes::{Function, Words};

/// Whether it makes sense together.
pub(crate) fn check(words: &Words, only_computed: bool) -> Result<()> {
    let function = |function: &Option<Function>| function.as_ref().map(|function| function.span);
    if let Some(span) = words.write_only {
        if words.computed.is_some() || words.default.is_some() {
            return Err(Error::new(span, "what is write-only is in no state: only the user can write it"));
        }
        let changes = words.replace.or(function(&words.replace_if)).or(function(&words.same_if));
        if let Some(span) = changes.or(function(&words.modify)) {
            return Err(Error::new(span, "what is write-only is in no state, so no change of it is ever seen"));
        }
    }
    if let (true, Some(span)) = (only_computed, function(&words.same_if).or(function(&words.replace_if))) {
        return Err(Error::new(span, "this makes no sense for what only the provider sets"));
    }
    if let (Some(_), Some(span)) = (words.replace, function(&words.replace_if)) {
        return Err(Error::new(span, "either every change replaces, or some do: `replace` or `replace_if`"));
    }
    if let (Some(span), true) = (words.anew(), words.computed.is_none() || words.default.is_some()) {
        return Err(Error::new(span, "this is for what the provider computes: `computed`, without a `default`"));
    }
    match (words.volatile, &words.changes_with) {
        (Some(_), Some((span, _))) => Err(Error::new(*span, "what is `volatile` already changes with everything")),
        _ => Ok(()),
    }
}

/// The calls that build the attribute.
pub(crate) fn calls(ty: &Type, words: &Words) -> TokenStream {
    let mut calls = TokenStream::new();
    let schema = quote!(::terraform_plugin::schema);
    let inner = quote!(<#ty as ::terraform_plugin::value::Attribute>::Inner);
    if words.write_only.is_some() {
        calls.extend(quote!(.write_only()));
    }
    if let Some(message) = &words.deprecated {
        calls.extend(quote!(.deprecated(#message)));
    }
    // called in a closure, `&String` becomes the `&str` that the function takes
    if let Some(Function { words, path, .. }) = &words.same_if {
        calls.extend(quote!(.same_if(#schema::Sameness::new(#words, |one, other| {
            #schema::typed::same::<#inner>(one, other, |one, other| #path(one, other))
        }))));
    }
    if let Some(Function { words, path, .. }) = &words.replace_if {
        calls.extend(quote!(.replace_if(#schema::ReplaceIf::new(#words, |prior, planned| {
            #schema::typed::must::<#inner>(prior, planned, #path)
        }))));
    }
    if let Some(Function { words, path, .. }) = &words.modify {
        calls.extend(quote!(.modify(#schema::Modifier::new(#words, |config, prior, planned| {
            #schema::typed::modify::<#inner>(config, prior, planned, #path)
        }))));
    }
    if let Some((_, others)) = &words.changes_with {
        calls.extend(quote!(.changes_with([#(#others),*])));
    }
    if words.volatile.is_some() {
        calls.extend(quote!(.volatile()));
    }
    if words.never_null.is_some() {
        calls.extend(quote!(.never_null()));
    }
    if let Some((_, prefix)) = &words.begins_with {
        calls.extend(quote!(.begins_with(#prefix)));
    }
    calls
}
