//! IAM: service accounts and their keys (dual-region.md 6).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::keys::{self, KeyPair};
use super::response::{Answer, ApiError};
use crate::world::Shared;

/// How long a fresh account stays unknown to policies.
const CONSISTENCY: Duration = Duration::from_millis(150);
/// Keys an account may have (dual-region.md 6).
const MOST_KEYS: usize = 10;

/// A service account.
#[derive(Clone, Debug)]
pub struct ServiceAccount {
    /// Project of the account.
    pub project: String,
    /// Display name.
    pub display_name: String,
    /// What the account is for.
    pub description: String,
    /// Numeric id.
    pub unique_id: String,
    /// User-managed keys by id.
    pub keys: BTreeMap<String, ServiceAccountKey>,
    /// When it was created: policies know it only a moment later.
    pub created: Instant,
}

/// A user-managed key. The private half is kept to recognise what was handed out.
#[derive(Clone, Debug)]
pub struct ServiceAccountKey {
    /// PKCS#8 PEM, handed out once.
    pub private_key_pem: String,
    /// PKCS#1 DER.
    pub public_key_der: Vec<u8>,
}

impl ServiceAccount {
    /// Whether policies know the account by now.
    pub(super) fn is_known(&self) -> bool {
        self.created.elapsed() >= CONSISTENCY
    }
}

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v1/projects/{project}/serviceAccounts", get(list).post(create))
        .route("/v1/projects/{project}/serviceAccounts/{email}", get(read).delete(remove))
        .route("/v1/projects/{project}/serviceAccounts/{email}/keys", get(list_keys).post(create_key))
        .route("/v1/projects/{project}/serviceAccounts/{email}/keys/{key}", get(read_key).delete(remove_key))
}

fn view(email: &str, account: &ServiceAccount) -> Value {
    json!({"name": format!("projects/{}/serviceAccounts/{email}", account.project), "projectId": account.project, "email": email,
        "uniqueId": account.unique_id, "displayName": account.display_name, "description": account.description, "etag": "MDEwMjE5MjA="})
}

fn key_view(project: &str, email: &str, id: &str) -> Value {
    json!({"name": format!("projects/{project}/serviceAccounts/{email}/keys/{id}"), "keyAlgorithm": 2, "keyOrigin": 2, "keyType": 1,
        "validAfterTime": "2026-01-01T00:00:00Z", "validBeforeTime": "9999-12-31T23:59:59Z"})
}

async fn create(State(shared): State<Shared>, Path(project): Path<String>, Json(body): Json<Value>) -> Answer {
    let id = body["accountId"].as_str().unwrap_or_default();
    let shaped =
        id.len() >= 6 && id.len() <= 30 && id.starts_with(|c: char| c.is_ascii_lowercase()) && !id.ends_with('-');
    if !shaped || !id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
        return Err(ApiError::invalid("The account ID does not match the pattern [a-z]([-a-z0-9]{4,28}[a-z0-9])."));
    }
    let email = format!("{id}@{project}.iam.gserviceaccount.com");
    let mut world = shared.lock();
    if world.gcp.accounts.contains_key(&email) {
        return Err(ApiError::new(
            409,
            "ALREADY_EXISTS",
            format!("Service account {id} already exists within project projects/{project}."),
        ));
    }
    let account = ServiceAccount {
        project,
        display_name: body["serviceAccount"]["displayName"].as_str().unwrap_or_default().to_owned(),
        description: body["serviceAccount"]["description"].as_str().unwrap_or_default().to_owned(),
        unique_id: world.gcp.next_id().to_string(),
        keys: BTreeMap::new(),
        created: Instant::now(),
    };
    let answer = view(&email, &account);
    world.gcp.accounts.insert(email, account);
    Ok(Json(answer))
}

async fn list(State(shared): State<Shared>, Path(project): Path<String>) -> Answer {
    let world = shared.lock();
    let accounts: Vec<Value> =
        world.gcp.accounts.iter().filter(|(_, a)| a.project == project).map(|(email, a)| view(email, a)).collect();
    Ok(Json(json!({"accounts": accounts})))
}

async fn read(State(shared): State<Shared>, Path((_, email)): Path<(String, String)>) -> Answer {
    let world = shared.lock();
    let account = world.gcp.accounts.get(&email).ok_or_else(|| unknown(&email))?;
    Ok(Json(view(&email, account)))
}

async fn remove(State(shared): State<Shared>, Path((_, email)): Path<(String, String)>) -> Answer {
    shared.lock().gcp.accounts.remove(&email).ok_or_else(|| unknown(&email))?;
    Ok(Json(json!({})))
}

async fn list_keys(State(shared): State<Shared>, Path((project, email)): Path<(String, String)>) -> Answer {
    let world = shared.lock();
    let account = world.gcp.accounts.get(&email).ok_or_else(|| unknown(&email))?;
    let keys: Vec<Value> = account.keys.keys().map(|id| key_view(&project, &email, id)).collect();
    Ok(Json(json!({"keys": keys})))
}

async fn create_key(State(shared): State<Shared>, Path((project, email)): Path<(String, String)>) -> Answer {
    if !shared.lock().gcp.accounts.contains_key(&email) {
        return Err(unknown(&email));
    }
    let pair = tokio::task::spawn_blocking(KeyPair::generate)
        .await
        .map_err(|e| ApiError::new(500, "INTERNAL", e.to_string()))?;
    let mut world = shared.lock();
    let token_uri = world.gcp.token_uri.clone();
    let account = world.gcp.accounts.get_mut(&email).ok_or_else(|| unknown(&email))?;
    if account.keys.len() >= MOST_KEYS {
        return Err(ApiError::precondition("Maximum number of keys on account reached."));
    }
    let id = format!("{:016x}{:016x}", rand::random::<u64>(), rand::random::<u64>());
    let file = keys::key_file(&project, &email, &id, &pair.private_key_pem, &token_uri);
    let mut answer = key_view(&project, &email, &id);
    answer["privateKeyType"] = json!(2);
    answer["privateKeyData"] = json!(keys::base64(file.to_string().as_bytes()));
    account
        .keys
        .insert(id, ServiceAccountKey { private_key_pem: pair.private_key_pem, public_key_der: pair.public_key_der });
    Ok(Json(answer))
}

async fn read_key(State(shared): State<Shared>, Path((project, email, key)): Path<(String, String, String)>) -> Answer {
    let world = shared.lock();
    let known = world.gcp.accounts.get(&email).is_some_and(|account| account.keys.contains_key(&key));
    if known {
        Ok(Json(key_view(&project, &email, &key)))
    } else {
        Err(ApiError::new(404, "NOT_FOUND", format!("Service account key {key} does not exist.")))
    }
}

async fn remove_key(State(shared): State<Shared>, Path((_, email, key)): Path<(String, String, String)>) -> Answer {
    let mut world = shared.lock();
    let account = world.gcp.accounts.get_mut(&email).ok_or_else(|| unknown(&email))?;
    account
        .keys
        .remove(&key)
        .ok_or_else(|| ApiError::new(404, "NOT_FOUND", format!("Service account key {key} does not exist.")))?;
    Ok(Json(json!({})))
}

fn unknown(email: &str) -> ApiError {
    ApiError::new(404, "NOT_FOUND", format!("Unknown service account: {email}"))
}
