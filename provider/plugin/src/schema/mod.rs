//! Schemas as plain data: what a block may hold, with the rules that a value must keep and the words that
//! explain it.
//!
//! | file | holds |
//! |---|---|
//! | `block` | [`Schema`], [`Block`], [`NestedBlock`] |
//! | `attribute` | [`Attribute`], [`Field`] |
//! | `validator` | [`Validator`], [`validate`]: is this configuration allowed? |
//! | `modifier` | [`Sameness`], [`ReplaceIf`], [`Recomputed`], [`Modifier`]: what else decides a planned value |
//! | `relation` | [`Relation`]: what attributes have to do with each other |
//! | `problems` | [`Block::problems`]: is this schema sound? |
//! | `markdown` | [`markdown()`]: the schema as the Terraform Registry shows it |

mod attribute;
mod block;
mod markdown;
mod modifier;
mod problems;
mod relation;
mod validator;

pub use attribute::{Attribute, Field};
pub use block::{Block, NestedBlock, Nesting, Schema};
pub use markdown::markdown;
#[doc(hidden)]
pub use modifier::typed;
pub use modifier::{Modifier, Modify, Recomputed, ReplaceIf, Sameness};
pub use relation::Relation;
pub use validator::{Validator, validate};
