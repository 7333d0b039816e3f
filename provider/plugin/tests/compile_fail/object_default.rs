//! Protocol 5 can't say more of the fields of an object than that they are optional.

use terraform_plugin::{Attr, Object};

/// A rule.
#[derive(Clone, Debug, Default, PartialEq, Object)]
struct Rule {
    /// Who may read it.
    #[tf(default = "everybody")]
    reader: Attr<String>,
}

fn main() {}
