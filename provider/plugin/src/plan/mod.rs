//! How a plan is made, and Terraform's own rules for plans and results, as pure functions on values.
//!
//! | file | holds |
//! |---|---|
//! | `make` | [`initial`]: configuration + defaults + what is kept + what is not known yet; [`requires_replace`], [`restore`] |
//! | `proposed` | [`proposed_new`]: what Terraform proposes, for tests without Terraform |
//! | `check_plan` | [`check_plan`]: will Terraform accept this plan? |
//! | `check_apply` | [`check_apply`], [`check_known`]: will it accept this result? |
//!
//! The rules are those of `plan_valid.go`, `compatible.go` and `objchange.go` in Terraform
//! (provider-protocol.md 3.4–3.6). Checked before Terraform does, a fault can be reported as what it is, a bug of
//! the provider, with the attribute and with the state kept.

mod check_apply;
mod check_plan;
mod make;
mod proposed;

pub use check_apply::{check_apply, check_known};
pub use check_plan::check_plan;
pub use make::{initial, requires_replace, restore};
pub use proposed::proposed_new;

use crate::value::Path;

/// A broken rule: where, and what is wrong there. Sensitive values are not shown.
pub type Violation = (Path, String);
