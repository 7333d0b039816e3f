//! The `timeouts` block that all resources share.

use terraform_plugin::{Attr, Model};

/// How long an operation may take, as a duration such as `30s`, `45m` or `1h30m`.
#[derive(Clone, Debug, Default, PartialEq, Model)]
pub struct Timeouts {
    /// Limit for creating the resource.
    #[tf(optional)]
    pub create: Attr<String>,
    /// Limit for updating the resource.
    #[tf(optional)]
    pub update: Attr<String>,
    /// Limit for deleting the resource.
    #[tf(optional)]
    pub delete: Attr<String>,
}
