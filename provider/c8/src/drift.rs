//! What the resources that make something so in both regions keep between a read and a plan.

use serde::{Deserialize, Serialize};
use terraform_plugin::{Diagnostics, Path};

/// What the last read saw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// What is not as it should be and can be repaired now; one sentence each.
    #[serde(default)]
    pub drift: Vec<String>,
}

impl Drift {
    /// Says what will be repaired, if anything is to be.
    pub fn tell(seen: Option<&Self>, what: &str, diags: &mut Diagnostics) -> bool {
        let text = seen.map(|seen| seen.drift.join(".\n")).unwrap_or_default();
        if text.is_empty() {
            return false;
        }
        diags.warning(Path::root(), format!("{what} will be repaired"), format!("{text}."));
        true
    }
}
