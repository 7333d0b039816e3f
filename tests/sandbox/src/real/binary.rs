//! Where the real components are.

use std::path::{Path, PathBuf};

/// The binary that holds etcd and all components of Kubernetes: `C8_HYPERKUBE`, else the drill's.
///
/// # Errors
/// There is none; the text is one line that says what to run.
pub fn hyperkube() -> Result<PathBuf, String> {
    if let Some(named) = std::env::var_os("C8_HYPERKUBE").filter(|named| !named.is_empty()) {
        let path = PathBuf::from(named);
        return path.canonicalize().map_err(|error| format!("C8_HYPERKUBE: {}: {error}", path.display()));
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = here.ancestors().nth(2).unwrap_or(here).join("target/drill/bin/hyperkube");
    if path.is_file() {
        Ok(path)
    } else {
        Err(format!("there is no {}: run `cargo drill setup`, or name the binary in C8_HYPERKUBE", path.display()))
    }
}

/// Whether `C8_KUBERNETES` asks for real API servers.
#[must_use]
pub fn wanted() -> bool {
    std::env::var_os("C8_KUBERNETES").is_some_and(|value| value == "real")
}
