//! RSA keys of service accounts: made here, checked here.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use rsa::pkcs1::EncodeRsaPublicKey as _;
use rsa::pkcs8::{EncodePrivateKey as _, LineEnding};
use serde_json::{Value, json};

/// A freshly made key pair.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// PKCS#8 PEM.
    pub private_key_pem: String,
    /// PKCS#1 DER.
    pub public_key_der: Vec<u8>,
}

impl KeyPair {
    /// Makes a 2048-bit pair. Takes a while: never under the world's lock.
    pub fn generate() -> Self {
        let mut rng = rsa::rand_core::OsRng;
        let key = rsa::RsaPrivateKey::new(&mut rng, 2048).expect("2048 bits are a valid size");
        Self {
            private_key_pem: key.to_pkcs8_pem(LineEnding::LF).expect("a fresh key encodes").to_string(),
            public_key_der: key.to_public_key().to_pkcs1_der().expect("a fresh key encodes").as_bytes().to_vec(),
        }
    }
}

/// The key with which a user of the sandbox drives it.
#[derive(Clone, Debug)]
pub struct OperatorKey {
    /// Account of the operator.
    pub email: String,
    /// Id of the key.
    pub key_id: String,
    /// The pair.
    pub pair: KeyPair,
}

/// A credentials file (`type: service_account`), as the console hands it out.
pub(super) fn key_file(project: &str, email: &str, key_id: &str, pem: &str, token_uri: &str) -> Value {
    json!({
        "type": "service_account",
        "project_id": project,
        "private_key_id": key_id,
        "private_key": pem,
        "client_email": email,
        "client_id": "100000000000000000001",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": token_uri,
        "universe_domain": "googleapis.com",
    })
}

/// Claims of an RS256 assertion whose signature holds for `public_key_der`.
pub(super) fn verify(assertion: &str, public_key_der: &[u8]) -> Option<Value> {
    let (signed, signature) = assertion.rsplit_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public_key_der).verify(signed.as_bytes(), &signature).ok()?;
    part(assertion, 1)
}

/// Part `index` of a JWT as JSON, unchecked.
pub(super) fn part(assertion: &str, index: usize) -> Option<Value> {
    let text = assertion.split('.').nth(index)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// Standard base64 with padding, as `privateKeyData` has it.
pub(super) fn base64(data: &[u8]) -> String {
    STANDARD.encode(data)
}
