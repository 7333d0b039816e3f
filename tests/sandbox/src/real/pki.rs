//! Certificates and keys of a control plane.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// A CA, a certificate for loopback that it signed, and a key for service account tokens.
pub struct Pki {
    /// The CA.
    pub ca_pem: String,
    /// For whoever serves with this certificate (HTTP/1.1 only: upgrades need it).
    pub server: Arc<rustls::ServerConfig>,
    /// For whoever trusts this CA.
    pub client: Arc<rustls::ClientConfig>,
    certificate_pem: String,
    key_pem: String,
    accounts: KeyPair,
}

impl Pki {
    /// Fresh keys.
    pub fn generate(name: &str) -> Result<Pki, Box<dyn std::error::Error + Send + Sync>> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut params = CertificateParams::new(vec![])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, format!("{name}-ca"));
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let leaf =
            CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()])?.signed_by(&key, &ca)?;
        let server = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )?;
        let mut roots = rustls::RootCertStore::empty();
        roots.add(ca.der().clone())?;
        let client = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Ok(Pki {
            ca_pem: ca.pem(),
            server: Arc::new(server),
            client: Arc::new(client),
            certificate_pem: leaf.pem(),
            key_pem: key.serialize_pem(),
            accounts: KeyPair::generate()?,
        })
    }

    /// Writes what the components read: `ca.crt`, `server.crt`, `server.key`, `sa.key`, `sa.pub`.
    pub fn write(&self, folder: &Path) -> std::io::Result<()> {
        for (file, text) in [
            ("ca.crt", &self.ca_pem),
            ("server.crt", &self.certificate_pem),
            ("server.key", &self.key_pem),
            ("sa.key", &self.accounts.serialize_pem()),
            ("sa.pub", &self.accounts.public_key_pem()),
        ] {
            write_private(&folder.join(file), text)?;
        }
        Ok(())
    }
}

/// Writes a file that nobody else may read.
pub fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
