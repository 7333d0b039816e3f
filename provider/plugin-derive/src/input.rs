//! What both derives accept: a struct with named fields, without parameters.

use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Error, Field, Fields, GenericArgument, PathArguments, Result, Type};

/// The fields of the struct.
pub(crate) fn fields<'a>(input: &'a DeriveInput, derive: &str) -> Result<Vec<&'a Field>> {
    if !input.generics.params.is_empty() {
        let message = format!("`{derive}` needs a struct without parameters: it stands for one schema");
        return Err(Error::new_spanned(&input.generics, message));
    }
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => Ok(fields.named.iter().collect()),
            Fields::Unit => Ok(Vec::new()),
            Fields::Unnamed(fields) => {
                let message = format!("`{derive}` needs named fields: their names are those of the attributes");
                Err(Error::new_spanned(fields, message))
            }
        },
        _ => Err(Error::new_spanned(&input.ident, format!("`{derive}` can only be derived for a struct"))),
    }
}

/// The name of the attribute that a field stands for: without `r#`.
pub(crate) fn name(field: &Field) -> String {
    field.ident.as_ref().map(|ident| ident.unraw().to_string()).unwrap_or_default()
}

/// Whether a type is written as `outer<…>`, whatever the path before it.
pub(crate) fn is(ty: &Type, outer: &str) -> bool {
    let Type::Path(path) = ty else { return false };
    path.path.segments.last().is_some_and(|last| {
        let one = |arguments: &PathArguments| match arguments {
            PathArguments::AngleBracketed(arguments) => {
                matches!(arguments.args.iter().collect::<Vec<_>>()[..], [GenericArgument::Type(_)])
            }
            _ => false,
        };
        last.ident == outer && one(&last.arguments)
    })
}

/// The name of a type that has parameters, whatever the path before it: `Vec` of `std::vec::Vec<T>`.
pub(crate) fn outer(ty: &Type) -> Option<String> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    matches!(last.arguments, PathArguments::AngleBracketed(_)).then(|| last.ident.to_string())
}

/// Whether a type is, or holds, one called `name`.
pub(crate) fn mentions(ty: &Type, name: &str) -> bool {
    let Type::Path(path) = ty else { return false };
    path.path.segments.iter().any(|segment| {
        let inside = match &segment.arguments {
            PathArguments::AngleBracketed(arguments) => arguments.args.iter().any(|argument| match argument {
                GenericArgument::Type(ty) => mentions(ty, name),
                _ => false,
            }),
            _ => false,
        };
        segment.ident == name || inside
    })
}
