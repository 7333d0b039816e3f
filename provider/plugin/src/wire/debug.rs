//! Debug mode: the process is started by hand or by a debugger, and Terraform attaches itself to it.
//!
//! No cookie, no TLS, no line on stdout that a machine reads, and nobody but the user ends it: one process serves any number of
//! Terraform commands. Its socket lies in a directory that only this user can enter, so that nobody else attaches.

use std::{ffi::OsString, path::Path};

use serde_json::json;

use super::handshake::PROTOCOL_VERSION;

/// The registries that a source without a host name means.
const TERRAFORM: &str = "registry.terraform.io/";
const OPENTOFU: &str = "registry.opentofu.org/";

/// Whether the command line asks for it. Providers in Go know the flag with one dash.
pub(crate) fn is_wanted(mut arguments: impl Iterator<Item = OsString>) -> bool {
    arguments.any(|argument| argument == "--debug" || argument == "-debug")
}

/// What the user reads, with the line to copy; the words are those of providers in Go, which editors look for.
pub(crate) fn announcement(address: &str, pid: u32, socket: &Path) -> String {
    let entry = json!({
        "Protocol": "grpc",
        "ProtocolVersion": PROTOCOL_VERSION,
        "Pid": pid,
        // or Terraform would kill the process after its first command
        "Test": true,
        "Addr": { "Network": "unix", "String": socket },
    });
    let mut reattach = json!({ address: entry });
    // the same source is another address for OpenTofu; each of the two ignores the entry of the other
    if let Some(source) = address.strip_prefix(TERRAFORM) {
        reattach[format!("{OPENTOFU}{source}")] = entry;
    }
    // a quote in the path would end the shell's string
    let quoted = reattach.to_string().replace('\'', r"'\''");
    format!(
        "Provider started. To attach Terraform CLI, set the TF_REATTACH_PROVIDERS environment variable with the following:\n\n\
         \tTF_REATTACH_PROVIDERS='{quoted}'\n\n\
         It serves until it is interrupted (Ctrl-C).\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag() {
        let wanted = |arguments: &[&str]| is_wanted(arguments.iter().map(OsString::from));
        assert!(wanted(&["--debug"]) && wanted(&["-debug"]) && wanted(&["x", "--debug"]));
        assert!(!wanted(&[]) && !wanted(&["debug"]) && !wanted(&["--debugger"]));
    }

    #[test]
    fn the_line_is_safe_in_a_shell() {
        let text = announcement("registry.example.com/acme/thing", 7, Path::new("/tmp/it's/s"));
        let line = text.lines().find(|line| line.starts_with("\tTF_REATTACH_PROVIDERS='")).unwrap_or_default();
        assert_eq!(
            line,
            "\tTF_REATTACH_PROVIDERS='{\"registry.example.com/acme/thing\":{\"Addr\":{\"Network\":\"unix\",\"String\":\"/tmp/it'\\''s/s\"},\
             \"Pid\":7,\"Protocol\":\"grpc\",\"ProtocolVersion\":5,\"Test\":true}}'"
        );
    }

    #[test]
    fn opentofu_finds_it_under_its_own_registry() {
        let text = announcement("registry.terraform.io/acme/thing", 7, Path::new("/tmp/s"));
        assert!(
            text.contains("{\"registry.opentofu.org/acme/thing\":{")
                && text.contains("\"registry.terraform.io/acme/thing\":{")
        );
    }
}
