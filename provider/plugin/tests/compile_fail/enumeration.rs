//! An enum has no attributes.

use terraform_plugin::Model;

/// Kinds of buckets.
#[derive(Clone, Debug, Model)]
enum Kind {
    Small,
    Large,
}

fn main() {}
