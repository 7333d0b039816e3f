//! How a plan is made, and Terraform's own rules for plans and results, as pure functions on values.
//!
//! | file | holds |
//! |---|---|
//! | `make` | [`initial`]: configuration + defaults + what is kept + what is not known yet; [`restore`] |
//! | `replace` | [`requires_replace`]: what can't be changed in place |
//! | `generate` | [`config_of`]: a configuration for what exists |
//! | `spelling` | [`respell`]: what means the same is spelled as before; [`without_write_only`], [`write_only_set`], [`promised`] |
//! | `walk` | block by block through plan, prior state and configuration |
//! | `proposed` | [`proposed_new`]: what Terraform proposes, for tests without Terraform |
//! | `check_plan` | [`check_plan`]: will Terraform accept this plan? |
//! | `check_apply` | [`check_apply`], [`check_known`]: will it accept this result? |
//!
//! The rules are those of `plan_valid.go`, `compatible.go` and `objchange.go` in Terraform
//! (provider-protocol.md 3.4–3.6). Checked before Terraform does, a fault can be reported as what it is, a bug of
//! the provider, with the attribute and with the state kept.

mod check_apply;
mod check_plan;
mod generate;
mod make;
mod proposed;
mod replace;
mod spelling;
mod walk;

pub use check_apply::{check_apply, check_known};
pub use check_plan::check_plan;
pub use generate::config_of;
pub use make::{initial, restore};
pub use proposed::proposed_new;
pub use replace::requires_replace;
pub use spelling::{promised, respell, without_write_only, write_only_set};

use crate::value::Path;

/// A broken rule: where, and what is wrong there. Sensitive values are not shown.
pub type Violation = (Path, String);
