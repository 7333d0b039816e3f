//! Where access tokens come from.
//!
//! In this order: a ready access token; the service account key or ADC file of the provider block; application default
//! credentials. A service account key (also one that ADC finds) is exchanged by [`service_account`](super::service_account),
//! all else is google-cloud-auth's business.

use std::sync::Arc;
use std::time::Duration;

use google_cloud_auth::credentials::{
    AccessTokenCredentials, Builder, CacheableResource, Credentials, CredentialsProvider, EntityTag, external_account,
    impersonated, user_account,
};
use google_cloud_auth::errors::CredentialsError;
use http::{Extensions, HeaderMap, HeaderValue, header};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::Error;
use super::error::{chain, root};
use super::service_account::{Exchange, ServiceAccountKey};
use super::silence::Silence;
use crate::Secret;

pub(super) const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// A metadata server or token endpoint that hangs must not hang us.
/// Less than a probe of a cluster may take, so that the probe can say whose silence it was.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(8);

/// Chooses a source with its first use, then gives tokens.
#[derive(Clone, Debug)]
pub(super) struct TokenSource {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    access_token: Option<Secret>,
    credentials: Option<Secret>,
    source: OnceCell<Source>,
    silence: Silence,
}

#[derive(Debug)]
enum Source {
    Static(Secret),
    Exchange(Box<Exchange>),
    Google(AccessTokenCredentials),
}

impl TokenSource {
    pub fn new(access_token: Option<Secret>, credentials: Option<Secret>) -> Self {
        Self {
            inner: Arc::new(Inner { access_token, credentials, source: OnceCell::new(), silence: Silence::default() }),
        }
    }

    /// The same source as the client libraries want it.
    pub fn credentials(&self) -> Credentials {
        Credentials::from(Bearer(self.clone()))
    }

    pub async fn token(&self) -> Result<Secret, Error> {
        match self.source().await? {
            Source::Static(token) => Ok(token.clone()),
            Source::Exchange(exchange) => exchange.token().await,
            Source::Google(credentials) => {
                if let Some(error) = self.inner.silence.known() {
                    return Err(error);
                }
                match timeout(TOKEN_TIMEOUT, credentials.access_token()).await {
                    Ok(Ok(token)) => Ok(Secret::new(token.token)),
                    Ok(Err(error)) => Err(Error::Credentials { message: no_default(&error) }),
                    Err(_) => {
                        let message = format!("their source gave no token within {} s", TOKEN_TIMEOUT.as_secs());
                        let error = Error::Credentials { message };
                        self.inner.silence.note(&error);
                        Err(error)
                    }
                }
            }
        }
    }

    async fn source(&self) -> Result<&Source, Error> {
        self.inner.source.get_or_try_init(|| async { self.choose().await }).await
    }

    async fn choose(&self) -> Result<Source, Error> {
        if let Some(token) = &self.inner.access_token {
            return Ok(Source::Static(token.clone()));
        }
        if let Some(credentials) = &self.inner.credentials {
            return from_json(&read(credentials.expose(), "`credentials`").await?);
        }
        if let Ok(path) = std::env::var("GOOGLE_APPLICATION_CREDENTIALS") {
            return from_json(&read(&path, "GOOGLE_APPLICATION_CREDENTIALS").await?);
        }
        let credentials = Builder::default().with_scopes([SCOPE]).build_access_token_credentials();
        credentials.map(Source::Google).map_err(|error| Error::Credentials { message: no_default(&error) })
    }

    async fn headers(&self, extensions: Extensions) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        // Never transient: the caller has asked for a token just before, and the library would retry for a minute.
        if let Ok(Source::Google(credentials)) = self.source().await {
            return match timeout(TOKEN_TIMEOUT, credentials.headers(extensions)).await {
                Ok(result) => result.map_err(|error| CredentialsError::from_source(false, error)),
                Err(_) => Err(CredentialsError::from_msg(false, "their source gave no token in time")),
            };
        }
        let token = self.token().await.map_err(|error| CredentialsError::from_source(false, error))?;
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose())).map_err(|_| {
            CredentialsError::from_msg(false, "the access token holds characters that no header can carry")
        })?;
        value.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value);
        Ok(CacheableResource::New { entity_tag: EntityTag::new(), data: headers })
    }
}

fn no_default(error: &dyn std::error::Error) -> String {
    format!(
        "none are configured, and the machine's own can't be had ({}). Set `credentials` or `access_token` in the provider \
         block, or run `gcloud auth application-default login`",
        root(error)
    )
}

/// The text itself if it is JSON, else the file of that path.
async fn read(path_or_json: &str, origin: &str) -> Result<Secret, Error> {
    if path_or_json.trim_start().starts_with('{') {
        return Ok(path_or_json.into());
    }
    let path = path_or_json.trim();
    match tokio::fs::read_to_string(path).await {
        Ok(text) => Ok(text.into()),
        // A path may be shown; anything else might be a mangled key.
        Err(error) if path.len() < 300 && !path.contains('\n') && !path.contains("PRIVATE") => {
            Err(Error::Credentials { message: format!("{origin}: can't read {path}: {error}") })
        }
        Err(_) => Err(Error::Credentials { message: format!("{origin} is neither a readable file nor JSON") }),
    }
}

/// Dispatches on `type` (crates.md 1.2).
fn from_json(text: &Secret) -> Result<Source, Error> {
    let invalid = |message: String| Error::Credentials { message };
    // serde's own message may quote the input.
    let json: serde_json::Value = serde_json::from_str(text.expose()).map_err(|error| {
        invalid(format!("they are no valid JSON (line {}, column {})", error.line(), error.column()))
    })?;
    let built = match json.get("type").and_then(serde_json::Value::as_str) {
        Some("service_account") => {
            let key = ServiceAccountKey::parse(&json)?;
            return Ok(Source::Exchange(Box::new(Exchange::new(key)?)));
        }
        Some("authorized_user") => {
            user_account::Builder::new(json).with_scopes([SCOPE]).build_access_token_credentials()
        }
        Some("external_account") => {
            external_account::Builder::new(json).with_scopes([SCOPE]).build_access_token_credentials()
        }
        Some("impersonated_service_account") => {
            impersonated::Builder::new(json).with_scopes([SCOPE]).build_access_token_credentials()
        }
        Some(other) => {
            return Err(invalid(format!("their type `{}` is unknown", other.chars().take(40).collect::<String>())));
        }
        None => return Err(invalid("they hold no `type`".to_owned())),
    };
    built.map(Source::Google).map_err(|error| invalid(chain(&error)))
}

/// Our tokens, for the client libraries.
#[derive(Clone, Debug)]
struct Bearer(TokenSource);

impl CredentialsProvider for Bearer {
    async fn headers(&self, extensions: Extensions) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        self.0.headers(extensions).await
    }

    async fn universe_domain(&self) -> Option<String> {
        match self.0.source().await {
            Ok(Source::Google(credentials)) => credentials.universe_domain().await,
            Ok(Source::Exchange(exchange)) => exchange.universe_domain(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[tokio::test]
    async fn a_static_token_is_used_as_it_is() {
        let source = TokenSource::new(Some("t0".into()), Some("{broken".into()));
        assert_eq!(source.token().await.unwrap().expose(), "t0");
        let CacheableResource::New { data, .. } = source.headers(Extensions::new()).await.unwrap() else { panic!() };
        assert_eq!(data[header::AUTHORIZATION], "Bearer t0");
    }

    #[rstest::rstest]
    #[case(r#"{"type":"service_account","private_key":"-----BEGIN PRIVATE KEY-----hunter2""#, "no valid JSON")]
    #[case(r#"{"private_key":"hunter2"}"#, "no `type`")]
    #[case(
        r#"{"type":"service_account","client_email":"a@b","private_key":"hunter2","token_uri":"http://t"}"#,
        "private_key"
    )]
    #[case("/nonexistent/key.json", "can't read /nonexistent/key.json")]
    #[case("-----BEGIN PRIVATE KEY-----\nhunter2", "neither")]
    #[tokio::test]
    async fn bad_credentials_are_named_but_not_shown(#[case] credentials: &str, #[case] expected: &str) {
        let error = TokenSource::new(None, Some(credentials.into())).token().await.unwrap_err();
        let Error::Credentials { message } = &error else { panic!("{error:?}") };
        assert!(message.contains(expected), "{message}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
