//! What is sensitive must not be printed by `Debug`.

use terraform_plugin::{Attr, Model};

/// How to log in.
#[derive(Clone, Debug, Default, PartialEq, Model)]
struct Login {
    /// The password.
    #[tf(required, sensitive)]
    password: Attr<String>,
}

fn main() {}
