//! The user can't change what only the provider sets.

use terraform_plugin::{Attr, Model};

/// A bucket.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Bucket {
    /// Its number.
    #[tf(computed, replace)]
    id: Attr<String>,
    /// Its kind.
    #[tf(computed, one_of("a", "b"))]
    kind: Attr<String>,
}

fn main() {}
