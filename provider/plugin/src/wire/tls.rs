//! Mutual TLS between exactly two processes.
//!
//! Both sides make a certificate for this one run. Ours travels in the handshake line, Terraform's in `PLUGIN_CLIENT_CERT`, so
//! neither needs an authority: a peer is who it must be if its certificate *is* the announced one, byte for byte, and if it
//! proves by a signature that it holds the key. Both checks count. Without the first any certificate would do, without the
//! second anybody who can read our environment could copy the certificate.
//!
//! Terraform's key is on the curve P-521, which `ring` doesn't know; that one signature is checked by the crate `p521`. Its
//! certificate also says that it is an authority, which webpki refuses in a peer, so webpki's verifier can't be used here.

use std::sync::Arc;

use p521::ecdsa::{DerSignature, Signature, VerifyingKey, signature::Verifier};
use rcgen::{CertificateParams, DistinguishedName as Name, DnType, KeyPair};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerMisbehaved, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    server::{
        NoServerSessionStorage,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime, pem::PemObject};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("PLUGIN_CLIENT_CERT isn't a certificate in PEM: {0}")]
    ClientCertificatePem(#[from] rustls_pki_types::pem::Error),
    #[error("PLUGIN_CLIENT_CERT isn't a certificate: {0}")]
    ClientCertificate(String),
    #[error("can't make a certificate: {0}")]
    OwnCertificate(#[from] rcgen::Error),
    #[error("can't set up TLS: {0}")]
    Setup(#[from] Error),
}

/// What a server needs to accept the one client that it is for.
pub(crate) struct Identity {
    pub(crate) config: Arc<ServerConfig>,
    /// Our certificate, for the handshake line.
    pub(crate) certificate: CertificateDer<'static>,
}

impl Identity {
    /// A fresh identity that accepts the holder of this certificate alone.
    pub(crate) fn for_client(client_certificate_pem: &str) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let verifier = PinnedClient::new(client_certificate_pem, &provider)?;

        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(["localhost".to_owned()])?;
        params.distinguished_name = Name::new();
        params.distinguished_name.push(DnType::CommonName, "localhost");
        let certificate = params.self_signed(&key)?.der().clone();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));

        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_single_cert(vec![certificate.clone()], key)?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        // every connection proves itself anew
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self { config: Arc::new(config), certificate })
    }
}

/// Accepts one certificate and checks that the peer holds its key.
#[derive(Debug)]
struct PinnedClient {
    certificate: CertificateDer<'static>,
    key: ClientKey,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
enum ClientKey {
    P521(Box<VerifyingKeyOfClient>),
    Other,
}

/// [`VerifyingKey`] has no `Debug`, and one would say nothing.
struct VerifyingKeyOfClient(VerifyingKey);

impl std::fmt::Debug for VerifyingKeyOfClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("P-521 key")
    }
}

impl PinnedClient {
    fn new(pem: &str, provider: &Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes())?.into_owned();
        let key = ClientKey::of(&certificate)?;
        Ok(Self { certificate, key, provider: Arc::clone(provider) })
    }

    fn verify(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
        otherwise: impl FnOnce() -> Result<HandshakeSignatureValid, Error>,
    ) -> Result<HandshakeSignatureValid, Error> {
        // rustls asks for the certificate first, but nothing here depends on that
        self.check_identity(certificate)?;
        let ClientKey::P521(key) = &self.key else {
            return otherwise();
        };
        if signed.scheme != SignatureScheme::ECDSA_NISTP521_SHA512 {
            return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
        }
        let bad = || Error::InvalidCertificate(CertificateError::BadSignature);
        let signature = DerSignature::try_from(signed.signature()).map_err(|_| bad())?;
        let signature = Signature::try_from(signature).map_err(|_| bad())?;
        key.0.verify(message, &signature).map_err(|_| bad())?;
        Ok(HandshakeSignatureValid::assertion())
    }

    fn check_identity(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        if certificate.as_ref() == self.certificate.as_ref() {
            Ok(())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }
}

impl ClientKey {
    fn of(certificate: &CertificateDer<'_>) -> Result<Self, TlsError> {
        let refuse = |reason: String| TlsError::ClientCertificate(reason);
        let (_, parsed) = X509Certificate::from_der(certificate).map_err(|error| refuse(error.to_string()))?;
        let info = parsed.public_key();
        let curve = info.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
        if curve != Some(x509_parser::oid_registry::OID_NIST_EC_P521) {
            return Ok(Self::Other);
        }
        let key = VerifyingKey::from_sec1_bytes(&info.subject_public_key.data)
            .map_err(|_| refuse("its key isn't a point on P-521".to_owned()))?;
        Ok(Self::P521(Box::new(VerifyingKeyOfClient(key))))
    }
}

impl ClientCertVerifier for PinnedClient {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check_identity(end_entity)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify(message, cert, dss, || {
            verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
        })
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify(message, cert, dss, || {
            verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
        })
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        // exactly what the one client can sign with: TLS 1.2 would else let a P-521 key sign a shorter digest
        match self.key {
            ClientKey::P521(_) => vec![SignatureScheme::ECDSA_NISTP521_SHA512],
            ClientKey::Other => self.provider.signature_verification_algorithms.supported_schemes(),
        }
    }
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
