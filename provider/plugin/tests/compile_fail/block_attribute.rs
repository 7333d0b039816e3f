//! Words of an attribute, said of a block.

use terraform_plugin::{Attr, Model};

/// A bucket.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Bucket {
    /// How it is kept.
    #[tf(block, optional)]
    retention: Option<Retention>,
    /// Where it is copied to.
    #[tf(block)]
    copy: Attr<Retention>,
}

/// How it is kept.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Retention {}

fn main() {}
