//! Who sets an attribute has to be said.

use terraform_plugin::{Attr, Model};

/// A bucket.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Bucket {
    /// Its name.
    name: Attr<String>,
}

fn main() {}
