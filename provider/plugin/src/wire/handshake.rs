//! The environment that Terraform sets for a plugin, and the one line on stdout that it waits for.

use std::{env, io, io::Write, path::Path, path::PathBuf};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

const COOKIE: (&str, &str) =
    ("TF_PLUGIN_MAGIC_COOKIE", "d602bf8f470bc67ca7faa0386276bbdd4330efaf76d1a219cb4d6991ca9872b2");

/// The version of the handshake itself; there has only ever been one.
const CORE_VERSION: u32 = 1;

/// The version of the provider protocol that is served here.
pub(crate) const PROTOCOL_VERSION: u32 = 5;

/// What Terraform told us through environment variables.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    cookie: Option<String>,
    protocol_versions: Option<String>,
    /// PEM of the certificate that Terraform will show; without it, the connection is plain.
    pub(crate) client_certificate: Option<String>,
    /// Where to put the socket, if it matters.
    pub(crate) socket_directory: Option<PathBuf>,
    multiplex: bool,
}

impl Environment {
    pub(crate) fn read() -> Self {
        let text = |name| env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            cookie: text(COOKIE.0),
            protocol_versions: text("PLUGIN_PROTOCOL_VERSIONS"),
            client_certificate: text("PLUGIN_CLIENT_CERT"),
            socket_directory: text("PLUGIN_UNIX_SOCKET_DIR").map(PathBuf::from),
            multiplex: text("PLUGIN_MULTIPLEX_GRPC").is_some(),
        }
    }

    /// Whether Terraform started us. The cookie is no secret: it only tells a curious user from Terraform.
    pub(crate) fn is_terraform(&self) -> bool {
        self.cookie.as_deref() == Some(COOKIE.1)
    }

    /// Whether Terraform speaks our protocol. If not, it is told our version all the same, and reports the mismatch itself.
    pub(crate) fn offers_our_protocol(&self) -> bool {
        self.protocol_versions
            .as_deref()
            .is_none_or(|offered| offered.split(',').any(|version| version.trim().parse() == Ok(PROTOCOL_VERSION)))
    }

    /// The line that tells Terraform where to connect and which certificate it will see.
    pub(crate) fn line(&self, socket: &Path, certificate: Option<&[u8]>) -> String {
        let certificate = certificate.map(|der| STANDARD_NO_PAD.encode(der)).unwrap_or_default();
        // we never multiplex, which must be said only to who asks
        let multiplex = if self.multiplex { "|false" } else { "" };
        format!("{CORE_VERSION}|{PROTOCOL_VERSION}|unix|{}|grpc|{certificate}{multiplex}\n", socket.display())
    }
}

/// Writes to stdout: the line, and nothing else ever, for Terraform reads it as the protocol; or what a user reads in debug mode.
pub(crate) fn announce(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(line.as_bytes())?;
    stdout.flush()
}

/// What somebody reads who runs the binary by hand.
pub(crate) fn explanation(address: &str, version: &str) -> String {
    let source = address.strip_prefix("registry.terraform.io/").unwrap_or(address);
    let name = source.rsplit('/').next().unwrap_or(source);
    format!(
        "terraform-provider-{name} {version}

This is a Terraform provider. It isn't run by hand: Terraform and OpenTofu start it when a configuration asks for it.

  terraform {{
    required_providers {{
      {name} = {{
        source = \"{source}\"
      }}
    }}
  }}

Then run `terraform init` and `terraform plan`.

To run it under a debugger, start it with `--debug`: it says how Terraform attaches itself.
"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn only_the_exact_cookie_is_terraform() {
        let with = |cookie: Option<&str>| Environment { cookie: cookie.map(str::to_owned), ..Environment::default() };
        assert!(with(Some(COOKIE.1)).is_terraform());
        assert!(!with(Some("d602")).is_terraform());
        assert!(!with(None).is_terraform());
    }

    #[test]
    fn the_versions_come_in_any_order() {
        let with = |versions: Option<&str>| Environment {
            protocol_versions: versions.map(str::to_owned),
            ..Environment::default()
        };
        assert!(with(Some("6,5")).offers_our_protocol());
        assert!(with(Some("5, 6")).offers_our_protocol());
        assert!(with(None).offers_our_protocol());
        assert!(!with(Some("6")).offers_our_protocol());
        assert!(!with(Some("15")).offers_our_protocol());
    }

    #[test]
    fn the_line_has_unpadded_base64_and_a_last_field_only_on_request() {
        let plain = Environment::default();
        assert_eq!(plain.line(Path::new("/tmp/s"), None), "1|5|unix|/tmp/s|grpc|\n");
        assert_eq!(plain.line(Path::new("/tmp/s"), Some(b"a")), "1|5|unix|/tmp/s|grpc|YQ\n");
        let asked = Environment { multiplex: true, ..Environment::default() };
        assert_eq!(asked.line(Path::new("/tmp/s"), Some(b"a")), "1|5|unix|/tmp/s|grpc|YQ|false\n");
    }

    #[test]
    fn the_explanation_names_version_and_source() {
        let text = explanation("registry.terraform.io/acme/thing", "1.2.3");
        assert!(text.starts_with("terraform-provider-thing 1.2.3\n"));
        assert!(text.contains("source = \"acme/thing\""));
    }
}
