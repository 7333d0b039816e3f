//! An `Option` can be null, but not unknown.

use terraform_plugin::{Attr, Model};

/// A bucket.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Bucket {
    /// Its name.
    #[tf(optional)]
    name: Attr<String>,
    /// How it is kept.
    #[tf(optional)]
    retention: Option<Retention>,
}

/// How it is kept.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Retention {}

fn main() {}
