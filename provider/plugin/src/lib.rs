//! Terraform plugin protocol 5 for Rust: write a provider, not a protocol.
//!
//! A *model* is a struct. Its derive makes the schema, the decoder, the encoder and the documentation of it.
//!
//! ```
//! use terraform_plugin::{Attr, Model};
//!
//! /// A greeting in a file.
//! #[derive(Clone, Debug, Default, PartialEq, Model)]
//! struct Greeting {
//!     /// Who is greeted.
//!     #[tf(required)]
//!     name: Attr<String>,
//!     /// How often.
//!     #[tf(default = 1, range(1, 10))]
//!     times: Attr<i64>,
//!     /// Where the greeting is.
//!     #[tf(computed)]
//!     path: Attr<String>,
//! }
//!
//! let block = Greeting::block();
//! assert!(block.problems().is_empty());
//! assert!(terraform_plugin::schema::markdown(&block).contains("- `times` (Number) How often. Allowed: from 1 to 10."));
//! ```
//!
//! # Map
//!
//! | module | holds |
//! |---|---|
//! | [`value`] | types, values, exact numbers, paths, the codecs, the typed edge |
//! | [`schema`] | schemas as data: checks, validation, Markdown |
//! | [`plan`] | how a plan is made, and Terraform's own rules for plans and results |
//! | [`diagnostic`] | what the user is told |
//! | [`mask`] | what no log line shows |
//! | [`resource`] | what an author writes: [`Provider`], [`Resource`], [`DataSource`] |
//! | [`server`] | [`Server`]: holds them, guards every call, answers Terraform |
//! | `wire` | the process: handshake, mutual TLS, logs, shutdown |

/// The README's provider compiles and does what it says.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

// the derives write `::terraform_plugin::…`, in this crate too
extern crate self as terraform_plugin;

pub mod diagnostic;
pub mod mask;
pub mod plan;
pub mod resource;
pub mod schema;
pub mod server;
pub mod value;
mod wire;

pub use diagnostic::{Diagnostic, Diagnostics, Fault, Severity};
pub use resource::{
    Action, Apply, Change, Context, DataSource, Deferred, Delete, Ephemeral, Found, Function, FunctionFault,
    Identified, List, Locked, Move, Opened, Parameter, Progress, Provider, Renewed, Resource, Results, Saver,
    Signature, Source, Upgrades, format_duration, parse_duration,
};
pub use schema::Schema;
pub use server::{ProviderSchemas, Server};
pub use terraform_plugin_derive::{Model, Object};
pub use value::{Attr, CodecError, Model, Number, ObjectType, Path, Secret, Type, Typed, Value, ValueError};
// for tests that play Terraform
#[doc(hidden)]
pub use wire::proto;
