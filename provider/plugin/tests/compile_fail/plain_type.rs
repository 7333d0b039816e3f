//! A value can be null, and unknown at plan: a plain type has no room for that.

use terraform_plugin::{Attr, Model};

/// A bucket.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Bucket {
    /// Its name.
    #[tf(required)]
    name: String,
    /// Where it is.
    #[tf(optional)]
    location: Attr<String>,
}

fn main() {}
