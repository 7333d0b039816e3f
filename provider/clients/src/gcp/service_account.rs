//! A service account key, exchanged for an access token at its `token_uri` (RFC 7523).
//!
//! google-cloud-auth would make a self-signed JWT of it and never look at `token_uri`. GKE's API server is not proven to
//! take that (crates.md 1.2), so the exchange is done here.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Error;
use super::credentials::SCOPE;
use super::error::{chain, root};
use super::silence::Silence;
use crate::Secret;

const LIFETIME: Duration = Duration::from_secs(3600);
/// Less than a probe of a cluster may take, so that the probe can say whose silence it was.
const ATTEMPT: Duration = Duration::from_secs(8);
const ATTEMPTS: u32 = 3;

/// The parts of a key file that the exchange needs.
#[derive(Debug)]
pub(super) struct ServiceAccountKey {
    client_email: String,
    key_id: Option<String>,
    token_uri: String,
    universe_domain: Option<String>,
    signer: Signer,
}

struct Signer(RsaKeyPair);

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
    #[serde(default = "default_token_uri")]
    token_uri: String,
    universe_domain: Option<String>,
}

fn default_token_uri() -> String {
    "https://oauth2.googleapis.com/token".to_owned()
}

impl ServiceAccountKey {
    pub fn parse(json: &Value) -> Result<Self, Error> {
        let invalid = |message: &str| Error::Credentials { message: message.to_owned() };
        let missing = ["client_email", "private_key"].into_iter().find(|field| !json[*field].is_string());
        if let Some(field) = missing {
            return Err(invalid(&format!("the service account key holds no `{field}`")));
        }
        let file = KeyFile::deserialize(json).map_err(|_| invalid("they are no service account key"))?;
        let signer = signer(&file.private_key).ok_or_else(|| {
            invalid("`private_key` of the service account key is no RSA private key in PEM (2048 bits or more)")
        })?;
        Ok(Self {
            client_email: file.client_email,
            key_id: file.private_key_id,
            token_uri: file.token_uri,
            universe_domain: file.universe_domain,
            signer: Signer(signer),
        })
    }

    /// The signed assertion of RFC 7523 section 3: `header.claims.signature`.
    fn assertion(&self, now: SystemTime) -> Result<String, Error> {
        let issued = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut header = json!({ "alg": "RS256", "typ": "JWT" });
        if let Some(id) = &self.key_id {
            header["kid"] = json!(id);
        }
        let claims = json!({
            "iss": self.client_email,
            "scope": SCOPE,
            "aud": self.token_uri,
            "iat": issued,
            "exp": issued + LIFETIME.as_secs(),
        });
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let mut signature = vec![0; self.signer.0.public().modulus_len()];
        self.signer
            .0
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| Error::Credentials { message: "signing with the service account key failed".to_owned() })?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// PKCS#8 is what Google gives; PKCS#1 is what people convert it to.
fn signer(pem: &str) -> Option<RsaKeyPair> {
    match PrivateKeyDer::from_pem_slice(pem.as_bytes()).ok()? {
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).ok(),
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()).ok(),
        _ => None,
    }
}

/// Exchanges, and keeps the token until shortly before it expires.
#[derive(Debug)]
pub(super) struct Exchange {
    key: ServiceAccountKey,
    http: reqwest::Client,
    cached: Mutex<Option<(Secret, Instant)>>,
    silence: Silence,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    #[serde(default = "default_expiry")]
    expires_in: u64,
}

const fn default_expiry() -> u64 {
    3600
}

impl Exchange {
    pub fn new(key: ServiceAccountKey) -> Result<Self, Error> {
        let http = reqwest::Client::builder()
            .timeout(ATTEMPT)
            .build()
            .map_err(|error| Error::Credentials { message: format!("no HTTP client: {}", chain(&error)) })?;
        Ok(Self { key, http, cached: Mutex::new(None), silence: Silence::default() })
    }

    pub fn universe_domain(&self) -> Option<String> {
        self.key.universe_domain.clone()
    }

    /// The lock is held during the exchange, so that ten callers make one.
    pub async fn token(&self) -> Result<Secret, Error> {
        let mut cached = self.cached.lock().await;
        if let Some((token, refresh_at)) = &*cached
            && Instant::now() < *refresh_at
        {
            return Ok(token.clone());
        }
        if let Some(error) = self.silence.known() {
            return Err(error);
        }
        let answer = self.exchange_with_retry().await?;
        let token = Secret::new(answer.access_token);
        let life = Duration::from_secs(answer.expires_in);
        let margin = (life / 5).min(Duration::from_secs(300));
        *cached = Some((token.clone(), Instant::now() + life.saturating_sub(margin)));
        Ok(token)
    }

    async fn exchange_with_retry(&self) -> Result<TokenAnswer, Error> {
        let mut attempt = 1;
        loop {
            match self.exchange().await {
                // A refused or dropped connection is retried; one that hangs has taken its time already.
                Err(Error::Unreachable { cause, .. }) if attempt < ATTEMPTS && !cause.contains("timed out") => {
                    tracing::debug!(attempt, cause, "token exchange failed, trying again");
                    tokio::time::sleep(Duration::from_millis(200) * attempt).await;
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    async fn exchange(&self) -> Result<TokenAnswer, Error> {
        let unreachable = |cause: String| Error::Unreachable { endpoint: self.key.token_uri.clone(), cause };
        // Both values need no escaping but the colons of the grant type.
        let body = format!(
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={}",
            self.key.assertion(SystemTime::now())?
        );
        let request =
            self.http.post(&self.key.token_uri).header("content-type", "application/x-www-form-urlencoded").body(body);
        let answer = request.send().await.map_err(|error| {
            let hangs = error.is_timeout();
            let why = if hangs { "timed out: " } else { "" };
            let error = unreachable(format!("{why}{}", root(&error.without_url())));
            if hangs {
                self.silence.note(&error);
            }
            error
        })?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| unreachable(root(&error.without_url())))?;
        if status.is_server_error() {
            return Err(unreachable(format!("HTTP {status}")));
        }
        if !status.is_success() {
            return Err(Error::Credentials {
                message: format!(
                    "{} refused the service account {} with HTTP {status}: {}",
                    self.key.token_uri,
                    self.key.client_email,
                    refusal(&text)
                ),
            });
        }
        serde_json::from_str(&text).map_err(|_| Error::Credentials {
            message: format!("{} answered HTTP {status} without an access token", self.key.token_uri),
        })
    }
}

/// `error` and `error_description` of RFC 6749 section 5.2, nothing else of the body.
fn refusal(text: &str) -> String {
    let json: Value = serde_json::from_str(text).unwrap_or_default();
    let field = |name: &str| json[name].as_str().map(str::to_owned);
    let said = [field("error"), field("error_description")].into_iter().flatten().collect::<Vec<_>>().join(": ");
    if said.is_empty() { "without a reason".to_owned() } else { said }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    use super::*;
    use crate::gcp::tests::TEST_KEY;

    fn key() -> ServiceAccountKey {
        ServiceAccountKey::parse(&json!({
            "type": "service_account", "client_email": "c8@p.iam.gserviceaccount.com", "private_key_id": "k1",
            "private_key": TEST_KEY, "token_uri": "https://token.example/t",
        }))
        .unwrap()
    }

    #[test]
    fn the_assertion_has_the_shape_of_rfc_7523_and_a_valid_signature() {
        let key = key();
        let jwt = key.assertion(UNIX_EPOCH + Duration::from_secs(1_000_000)).unwrap();
        let parts: Vec<&str> = jwt.split('.').collect();
        let decode = |part: &str| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap() };
        assert_eq!(decode(parts[0]), json!({ "alg": "RS256", "typ": "JWT", "kid": "k1" }));
        assert_eq!(
            decode(parts[1]),
            json!({ "iss": "c8@p.iam.gserviceaccount.com", "scope": SCOPE, "aud": "https://token.example/t", "iat": 1_000_000, "exp": 1_003_600 })
        );
        let public = key.signer.0.public_key().as_ref().to_vec();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public)
            .verify(format!("{}.{}", parts[0], parts[1]).as_bytes(), &URL_SAFE_NO_PAD.decode(parts[2]).unwrap())
            .unwrap();
    }

    #[test]
    fn the_key_is_not_in_debug() {
        assert!(format!("{:?}", key()).contains("(secret)"));
    }
}
