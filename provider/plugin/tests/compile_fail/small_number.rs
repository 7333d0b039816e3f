//! A type that Terraform has none for.

use terraform_plugin::{Attr, Model};

/// A bucket.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Bucket {
    /// How many copies.
    #[tf(required)]
    copies: Attr<u32>,
    /// Ports by name.
    #[tf(optional)]
    ports: Attr<std::collections::HashMap<String, i64>>,
}

fn main() {}
