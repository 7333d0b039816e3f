//! The one TLS provider of the process.

use rustls::crypto::{CryptoProvider, ring};

/// Makes ring the process' default, if there is none: the HTTP clients panic without one.
pub(crate) fn ensure_provider() {
    if CryptoProvider::get_default().is_none() {
        // Fails only if another thread was faster.
        let _ = ring::default_provider().install_default();
    }
}
