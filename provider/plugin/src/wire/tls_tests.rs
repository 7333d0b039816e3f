#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use p521::{
    ecdsa::{SigningKey as P521Key, signature::Signer as _},
    elliptic_curve::rand_core::OsRng,
};
use rustls::{
    ClientConfig, RootCertStore, SignatureAlgorithm, SupportedProtocolVersion,
    sign::{CertifiedKey, Signer, SigningKey, SingleCertAndKey},
    version::{TLS12, TLS13},
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;

/// A client as Terraform is one: a self-signed certificate for P-521 that claims to be an authority.
#[derive(Clone)]
struct GoClient {
    certificate: CertificateDer<'static>,
    key: Arc<P521Key>,
}

impl GoClient {
    fn new(serial: u8) -> Self {
        let key = P521Key::random(&mut OsRng);
        let certificate = certificate(&key, serial);
        Self { certificate, key: Arc::new(key) }
    }

    fn pem(&self) -> String {
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(&self.certificate))
    }

    fn certified(&self) -> CertifiedKey {
        CertifiedKey::new(vec![self.certificate.clone()], Arc::new(self.clone()))
    }
}

impl fmt::Debug for GoClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GoClient")
    }
}

impl SigningKey for GoClient {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&SignatureScheme::ECDSA_NISTP521_SHA512).then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for GoClient {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let signature: Signature = self.key.sign(message);
        Ok(signature.to_der().as_bytes().to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_NISTP521_SHA512
    }
}

/// X.509 by hand, since rcgen with ring knows P-521 as little as ring does.
fn certificate(key: &P521Key, serial: u8) -> CertificateDer<'static> {
    let ecdsa_with_sha512 = sequence(&[&[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4]]);
    let key_on_p521 = sequence(&[&[0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1], &[0x06, 5, 0x2b, 0x81, 4, 0, 0x23]]);
    let common_name = sequence(&[&[0x06, 3, 0x55, 4, 3], &tlv(0x0c, b"localhost")]);
    let name = sequence(&[&tlv(0x31, &common_name)]);
    let validity = sequence(&[&tlv(0x17, b"250101000000Z"), &tlv(0x17, b"490101000000Z")]);
    let public = VerifyingKey::from(key).to_encoded_point(false);
    let authority =
        sequence(&[&[0x06, 3, 0x55, 0x1d, 0x13], &tlv(0x01, &[0xff]), &tlv(0x04, &sequence(&[&tlv(0x01, &[0xff])]))]);
    let to_be_signed = sequence(&[
        &tlv(0xa0, &tlv(0x02, &[2])),
        &tlv(0x02, &[serial]),
        &ecdsa_with_sha512,
        &name,
        &validity,
        &name,
        &sequence(&[&key_on_p521, &bits(public.as_bytes())]),
        &tlv(0xa3, &sequence(&[&authority])),
    ]);
    let signature: Signature = key.sign(&to_be_signed);
    sequence(&[&to_be_signed, &ecdsa_with_sha512, &bits(signature.to_der().as_bytes())]).into()
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

fn bits(bytes: &[u8]) -> Vec<u8> {
    tlv(0x03, &[&[0], bytes].concat())
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let mut der = vec![tag];
    match length {
        [0, short] if short < 0x80 => der.push(short),
        [0, one] => der.extend([0x81, one]),
        [high, low] => der.extend([0x82, high, low]),
    }
    der.extend_from_slice(content);
    der
}

/// What the server of `identity` says to a client that shows this key.
async fn greet(
    identity: &Identity,
    shown: Option<CertifiedKey>,
    version: &'static SupportedProtocolVersion,
) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    roots.add(identity.certificate.clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match shown {
        Some(key) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key))),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    let (near, far) = tokio::io::duplex(64 << 10);
    let connector = TlsConnector::from(Arc::new(config));
    let acceptor = TlsAcceptor::from(Arc::clone(&identity.config));
    let (accepted, _connected) =
        tokio::join!(acceptor.accept(near), connector.connect("localhost".try_into().unwrap(), far));
    let accepted = accepted.map_err(|error| error.to_string())?;
    assert_eq!(accepted.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    Ok(())
}

#[tokio::test]
async fn the_announced_client_is_accepted() {
    let client = GoClient::new(1);
    let identity = Identity::for_client(&client.pem()).unwrap();
    for version in [&TLS13, &TLS12] {
        greet(&identity, Some(client.certified()), version).await.unwrap();
    }
}

#[tokio::test]
async fn another_certificate_with_the_same_names_is_refused() {
    let identity = Identity::for_client(&GoClient::new(1).pem()).unwrap();
    for version in [&TLS13, &TLS12] {
        let error = greet(&identity, Some(GoClient::new(1).certified()), version).await.unwrap_err();
        assert!(error.contains("ApplicationVerificationFailure"), "{error}");
    }
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let identity = Identity::for_client(&GoClient::new(1).pem()).unwrap();
    for version in [&TLS13, &TLS12] {
        let error = greet(&identity, None, version).await.unwrap_err();
        assert!(error.contains("peer sent no certificates"), "{error}");
    }
}

#[tokio::test]
async fn a_copied_certificate_without_its_key_is_refused() {
    let client = GoClient::new(1);
    let identity = Identity::for_client(&client.pem()).unwrap();
    let thief = GoClient { certificate: client.certificate.clone(), ..GoClient::new(2) };
    for version in [&TLS13, &TLS12] {
        let error = greet(&identity, Some(thief.certified()), version).await.unwrap_err();
        assert!(error.contains("BadSignature"), "{error}");
    }
}

/// Not Terraform's choice, but any client of the plugin protocol may make it.
#[tokio::test]
async fn a_client_on_another_curve_is_checked_too() {
    let make = || {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signer = ring::sign::any_supported_type(&key).unwrap();
        (certificate.pem(), certificate.der().clone(), signer)
    };
    let (pem, certificate, key) = make();
    let (_, _, other_key) = make();
    let identity = Identity::for_client(&pem).unwrap();
    for version in [&TLS13, &TLS12] {
        let right = CertifiedKey::new(vec![certificate.clone()], Arc::clone(&key));
        greet(&identity, Some(right), version).await.unwrap();
        let thief = CertifiedKey::new(vec![certificate.clone()], Arc::clone(&other_key));
        let error = greet(&identity, Some(thief), version).await.unwrap_err();
        assert!(error.contains("BadSignature"), "{error}");
    }
}

#[test]
fn what_is_no_certificate_is_named() {
    for pem in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let error = Identity::for_client(pem).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("PLUGIN_CLIENT_CERT"), "{error}");
    }
}
