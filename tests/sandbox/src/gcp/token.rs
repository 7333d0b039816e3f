//! The token endpoint: RFC 7523, a signed assertion for an access token.

use axum::extract::State;
use axum::routing::post;
use axum::{Form, Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::keys::{self, KeyPair, OperatorKey};
use crate::world::Shared;

#[derive(Deserialize)]
struct Exchange {
    grant_type: String,
    assertion: String,
}

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/token", post(exchange))
}

async fn exchange(State(shared): State<Shared>, Form(form): Form<Exchange>) -> (StatusCode, Json<Value>) {
    let refuse =
        |text: &str| (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid_grant", "error_description": text})));
    if form.grant_type != GRANT {
        return (StatusCode::BAD_REQUEST, Json(json!({"error": "unsupported_grant_type"})));
    }
    let Some(claims) = keys::part(&form.assertion, 1) else {
        return refuse("Invalid JWT: no claims.");
    };
    let email = claims["iss"].as_str().unwrap_or_default().to_owned();
    let mut world = shared.lock();
    let candidates = world.gcp.public_keys(&email);
    if candidates.is_empty() {
        return refuse("Invalid grant: account not found");
    }
    let Some(claims) = candidates.iter().find_map(|key| keys::verify(&form.assertion, key)) else {
        return refuse("Invalid JWT Signature.");
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64);
    if claims["exp"].as_i64().is_none_or(|exp| exp < now || exp > now + 3700) {
        return refuse("Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.");
    }
    if claims["scope"].as_str().unwrap_or_default().is_empty() {
        return (
            StatusCode::BAD_REQUEST,
            Json(json!({"error": "invalid_scope", "error_description": "Empty or missing scope not allowed."})),
        );
    }
    let token = world.gcp.issue_token(&email);
    (StatusCode::OK, Json(json!({"access_token": token, "expires_in": 3599, "token_type": "Bearer"})))
}

impl super::Gcp {
    fn public_keys(&self, email: &str) -> Vec<Vec<u8>> {
        let operator = self.operator.iter().filter(|key| key.email == email).map(|key| key.pair.public_key_der.clone());
        let account = self
            .accounts
            .get(email)
            .into_iter()
            .flat_map(|account| account.keys.values().map(|key| key.public_key_der.clone()));
        operator.chain(account).collect()
    }

    /// Whether this is the account of the person who drives the sandbox.
    pub(super) fn is_operator(&self, email: &str) -> bool {
        self.operator.as_ref().is_some_and(|key| key.email == email)
    }

    /// Sets the key of the person who drives the sandbox and returns its credentials file.
    pub fn set_operator(&mut self, project: &str, pair: KeyPair, token_uri: &str) -> Value {
        let email = format!("terraform@{project}.iam.gserviceaccount.com");
        let key = OperatorKey { key_id: format!("{:016x}", rand::random::<u64>()), email, pair };
        let file = keys::key_file(project, &key.email, &key.key_id, &key.pair.private_key_pem, token_uri);
        self.operator = Some(key);
        self.token_uri = token_uri.to_owned();
        file
    }
}
