//! A word that the derive does not know.

use terraform_plugin::{Attr, Model};

/// A bucket.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Bucket {
    /// Its name.
    #[tf(require, force_new)]
    name: Attr<String>,
}

fn main() {}
