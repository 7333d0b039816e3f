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

/// Why a type can't be that of an attribute, if it is one that people reach for; whatever is not known here is left to
/// the compiler.
pub(crate) fn unfit(ty: &Type) -> Option<(&Type, &'static str)> {
    let Type::Path(path) = ty else {
        return match ty {
            Type::Reference(_) => Some((ty, "a model owns its values: text is a `String`, a list a `Vec<…>`")),
            Type::Tuple(_) | Type::Array(_) => {
                Some((ty, "Terraform has no type for this here: use `Vec<…>`, or a struct that derives `Object`"))
            }
            _ => None,
        };
    };
    let last = path.path.segments.last()?;
    let why = match last.ident.to_string().as_str() {
        "i8" | "i16" | "i32" | "i128" | "isize" | "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => {
            "a whole number is an `i64`: check its range with `range(…)`, and one that is larger is a `Number`"
        }
        "f32" | "f64" => "a number with a fraction is a `terraform_plugin::Number`, which is exact; an `f64` is not",
        "char" | "str" | "PathBuf" => "text is a `String`",
        "HashMap" => "a map is a `BTreeMap<String, …>`: its order must not change from one run to the next",
        "HashSet" => "a set is a `BTreeSet<…>`: its order must not change from one run to the next",
        "Option" => "an `Attr<…>` can be null by itself",
        _ => "",
    };
    if !why.is_empty() {
        return Some((ty, why));
    }
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(inner) => unfit(inner),
        _ => None,
    })
}
