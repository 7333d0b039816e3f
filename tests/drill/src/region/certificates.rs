//! Certificates and keys of a cluster: one CA, and what the components show each other.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use base64::Engine as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use serde_json::{Value, json};

use crate::place::{API_SERVICE, Addresses};

/// Where the files of a cluster are.
#[derive(Debug, Clone)]
pub struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// Makes all of them in a folder, or takes those that are there.
    ///
    /// # Errors
    /// A file can't be written.
    pub fn provide(folder: &Path, node: &str, addresses: Addresses) -> Result<Self> {
        let this = Self { folder: folder.to_owned() };
        if this.file("complete").exists() {
            return Ok(this);
        }
        std::fs::create_dir_all(folder)?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params.distinguished_name.push(DnType::CommonName, format!("{node}-ca"));
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        this.write("ca.crt", &ca.pem())?;

        let api = addresses.node();
        let names =
            ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost", &api, "127.0.0.1", API_SERVICE];
        this.issue(&ca, "apiserver", ("kube-apiserver", None), &names)?;
        this.issue(&ca, "admin", ("drill", Some("system:masters")), &["admin"])?;
        this.issue(&ca, "kubelet", (&format!("system:node:{node}"), Some("system:nodes")), &[node, &api])?;
        this.issue(&ca, "controllers", ("system:kube-controller-manager", None), &["controllers"])?;
        this.issue(&ca, "scheduler", ("system:kube-scheduler", None), &["scheduler"])?;
        this.issue(&ca, "proxy", ("system:kube-proxy", None), &["proxy"])?;
        let tokens = KeyPair::generate()?;
        this.write("service-accounts.key", &tokens.serialize_pem())?;
        this.write("service-accounts.pub", &tokens.public_key_pem())?;
        for user in ["admin", "kubelet", "controllers", "scheduler", "proxy"] {
            let config = this.kubeconfig(user, &addresses.api(), node)?;
            this.write(&format!("{user}.conf"), &config.to_string())?;
        }
        this.write("complete", "")?;
        Ok(this)
    }

    /// A file, by its name in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The CA as PEM.
    ///
    /// # Errors
    /// The file is gone.
    pub fn ca_pem(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.file("ca.crt"))?)
    }

    /// A kubeconfig with everything in it, for a user of the folder; JSON is YAML.
    ///
    /// # Errors
    /// A file is gone.
    pub fn kubeconfig(&self, user: &str, api: &str, context: &str) -> Result<Value> {
        let encoded = |name: String| -> Result<String> {
            Ok(base64::engine::general_purpose::STANDARD.encode(std::fs::read(self.file(&name))?))
        };
        let cluster =
            json!({"server": format!("https://{api}"), "certificate-authority-data": encoded("ca.crt".into())?});
        let user = json!({"client-certificate-data": encoded(format!("{user}.crt"))?, "client-key-data": encoded(format!("{user}.key"))?});
        Ok(json!({"apiVersion": "v1", "kind": "Config", "current-context": context,
            "clusters": [{"name": context, "cluster": cluster}],
            "users": [{"name": context, "user": user}],
            "contexts": [{"name": context, "context": {"cluster": context, "user": context}}]}))
    }

    /// `user`: common name and group.
    fn issue(
        &self,
        ca: &CertifiedIssuer<'_, KeyPair>,
        file: &str,
        user: (&str, Option<&str>),
        names: &[&str],
    ) -> Result<()> {
        let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
        params.distinguished_name.push(DnType::CommonName, user.0);
        if let Some(group) = user.1 {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        self.write(&format!("{file}.crt"), &params.signed_by(&key, ca)?.pem())?;
        self.write(&format!("{file}.key"), &key.serialize_pem())
    }

    fn write(&self, name: &str, content: &str) -> Result<()> {
        use std::io::Write as _;
        let mut file =
            std::fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(self.file(name))?;
        Ok(file.write_all(content.as_bytes())?)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::place::Place;

    #[test]
    fn they_are_made_once_and_only_their_owner_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let addresses = Place::at(folder.path().into(), 0).unwrap().addresses(0);
        let pki = folder.path().join("pki");
        let made = Certificates::provide(&pki, "node-0", addresses).unwrap();
        let ca = made.ca_pem().unwrap();
        assert_eq!(Certificates::provide(&pki, "node-0", addresses).unwrap().ca_pem().unwrap(), ca);
        for file in std::fs::read_dir(&pki).unwrap() {
            assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        let config: Value = serde_json::from_str(&std::fs::read_to_string(made.file("proxy.conf")).unwrap()).unwrap();
        assert_eq!(config["clusters"][0]["cluster"]["server"], "https://172.30.1.10:6443");
    }
}
