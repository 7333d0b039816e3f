//! What has a default may be left out.

use terraform_plugin::{Attr, Model};

/// A bucket.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Bucket {
    /// Where it is.
    #[tf(required, default = "EU")]
    location: Attr<String>,
}

fn main() {}
