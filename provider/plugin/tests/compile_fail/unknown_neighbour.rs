//! A relation to an attribute that is not there.

use terraform_plugin::{Attr, Model};

/// A bucket.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Bucket {
    /// Its name.
    #[tf(optional, exactly_one_of("name_prefx"))]
    name: Attr<String>,
    /// What its name begins with.
    #[tf(optional)]
    name_prefix: Attr<String>,
}

fn main() {}
