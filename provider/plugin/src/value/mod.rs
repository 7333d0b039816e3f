//! Terraform's values: types, known, null and unknown values, exact numbers, paths; and the codecs between them
//! and bytes, driven by the type.
//!
//! | file | holds |
//! |---|---|
//! | `ty` | [`Type`]: what the wire format calls a type |
//! | `tree` | [`Value`]: any value of any type |
//! | `refinement` | [`Refinement`]: what is known of an unknown value |
//! | `number` | [`Number`]: exact decimal numbers |
//! | `path` | [`Path`]: where in a value |
//! | `codec`, [`msgpack`], [`json`] | bytes from and to values, with limits |
//! | `attr`, `typed`, `model` | the typed edge: [`Attr`], [`Typed`], [`Model`] |
//! | `nested` | [`Nested`]: how a model holds the blocks in it |
//! | `dynamic` | [`Dynamic`]: a value of any type |
//! | `secret` | [`Secret`]: what is never printed |
//!
//! Invariants:
//!
//! - Bytes, however hostile, make an error and never a panic, nor memory out of proportion.
//! - Null, unknown and known are three things; none of them ever becomes another on the way.
//! - A number keeps all its digits.
//! - An error names the place and the form of a value, never its content: it may be secret.

mod attr;
mod codec;
mod dynamic;
pub mod json;
mod model;
pub mod msgpack;
mod nested;
mod number;
mod path;
mod refinement;
mod secret;
mod tree;
mod ty;
mod typed;

pub use attr::Attr;
#[doc(hidden)]
pub use attr::Attribute;
pub use codec::{CodecError, MAX_BYTES, MAX_DEPTH, MAX_VALUES, Problem};
pub use dynamic::Dynamic;
pub use model::{Fields, Model};
pub use nested::{BlockSet, Group, Nested};
pub use number::{Number, NumberError};
pub use path::{Path, Step};
pub use refinement::Refinement;
pub use secret::Secret;
pub use tree::Value;
pub use ty::{ObjectType, Type};
pub use typed::{Typed, ValueError};
