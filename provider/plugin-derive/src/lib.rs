//! Derives of `terraform-plugin`: one struct is schema, decoder, encoder and documentation.
//!
//! Use them through `terraform_plugin::{Model, Object}`.
//!
//! | file | holds |
//! |---|---|
//! | `attributes` | what stands in `#[tf(…)]` |
//! | `docs` | doc comments as descriptions |
//! | `model` | `#[derive(Model)]` |
//! | `object` | `#[derive(Object)]` |
//! | `planning` | what a field says of how it is planned |
//! | `input` | what both accept: a struct with named fields |

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

mod attributes;
mod docs;
mod input;
mod model;
mod object;
mod planning;

/// Makes a struct a block: the whole of a resource, a data source or a provider configuration, or a block in it.
///
/// The doc comment of the struct is the description of the block, that of a field the description of the attribute.
/// Both end with a period.
///
/// # Fields
///
/// An attribute is a field of type `Attr<T>` that says who sets it:
///
/// | in `#[tf(…)]` | the attribute |
/// |---|---|
/// | `required` | the user must set it |
/// | `optional` | the user may set it |
/// | `computed` | the provider sets it (with `optional`: if the user does not) |
/// | `default = LITERAL` | has this value if the user sets none; implies `optional` and `computed` |
/// | `replace` | can't change in place |
/// | `sensitive` | is hidden in Terraform's output; its type is `Attr<Secret<T>>`, which says so by itself |
/// | `one_of("a", "b")` | allows these values only |
/// | `range(0, 1)` | allows whole numbers from the first to the last only |
/// | `length(1, 63)` | allows text of so many characters only |
/// | `regex = "[a-z]+"` | allows text only that the regular expression matches as a whole |
/// | `conflicts_with("b")` | is not set together with `b` |
/// | `exactly_one_of("b", "c")` | of it, `b` and `c`, one is set, and only one |
/// | `at_least_one_of("b", "c")` | of it, `b` and `c`, one is set, or more |
/// | `write_only` | is in the configuration only: in no plan and in no state |
/// | `deprecated = "Use `b`."` | makes Terraform warn who sets it; a struct and a block can say so, too |
/// | `name = "type"` | has another name than the field |
///
/// How it is planned, each with words that end a sentence of the documentation:
///
/// | in `#[tf(…)]` | the attribute |
/// |---|---|
/// | `same_if("they are the same YAML", same)` | keeps its value where `fn same(&T, &T) -> bool` says that nothing changed |
/// | `replace_if("it shrinks", must)` | can't change in place where `fn must(&Attr<T>, &Attr<T>) -> bool` (prior, planned) says so |
/// | `modify("Never shrinks", f)` | is planned as `fn f(&Modify<T>) -> Attr<T>` says |
/// | `changes_with("b", "c")` | computed: is `(known after apply)` again when `b` or `c` changes |
/// | `volatile` | computed: is `(known after apply)` again when anything changes |
/// | `never_null` | computed: won't be null, which Terraform is told while it is unknown |
/// | `begins_with = "disk-"` | computed: begins so, which Terraform is told while it is unknown |
///
/// A nested block is a field with `#[tf(block)]` where `M` is a model:
///
/// | type of the field | the block |
/// |---|---|
/// | `Option<M>` | occurs once or not at all |
/// | `Vec<M>` | occurs any number of times, in an order |
/// | `BlockSet<M>` | occurs any number of times, without an order |
/// | `BTreeMap<String, M>` | occurs any number of times, each with a label |
/// | `Group<M>` | is always there, written or not |
///
/// A block may also be `required`, `replace`, have the relations to others above, and a list or set `min = N`, `max = N`.
///
/// What makes no sense, such as a required attribute with a default, is refused by the compiler where it stands.
#[proc_macro_derive(Model, attributes(tf))]
pub fn derive_model(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    model::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a struct an object type: the type of an attribute, or of the elements of one.
///
/// Each field is of type `Attr<T>`; `#[tf(optional)]` marks what a user may leave out, and `#[tf(name = "type")]` gives another
/// name. Protocol 5 knows no descriptions here, so the doc comments of the fields are added to the documentation of the
/// attribute.
#[proc_macro_derive(Object, attributes(tf))]
pub fn derive_object(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    object::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
