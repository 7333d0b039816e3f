//! The Google Cloud half of the world: GKE clusters as long-running operations, firewall rules, buckets, service
//! accounts with keys, and the token exchange. Wire shapes: dual-region.md 1.2, 1.5 and 6; crates.md 1.1.
//!
//! Consequences that matter:
//! - an operation that is DONE is not yet in effect: a firewall rule starts and stops to bite a little later;
//! - a fresh service account is unknown to bucket policies for a moment;
//! - a bucket that holds objects can't be deleted; a key is shown once.

mod compute;
mod container;
mod iam;
mod keys;
mod response;
mod review;
mod storage;
mod token;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;

pub use container::GkeCluster;
pub use iam::{ServiceAccount, ServiceAccountKey};
pub use keys::{KeyPair, OperatorKey};
pub use review::TOKEN_REVIEW_PATH;
pub use storage::{Bucket, BucketAccess, Object};

use crate::world::faults::Fault;
use crate::world::{Shared, World};

/// All that the Google Cloud APIs remember.
#[derive(Default)]
pub struct Gcp {
    /// GKE's view of the clusters by `project/location/name`. The Kubernetes behind it lives in [`World::clusters`].
    pub gke: BTreeMap<String, GkeCluster>,
    /// Firewall rules by name, as the API shows them. What is in force right now: [`Gcp::rules_in_force`].
    pub firewalls: BTreeMap<String, FirewallRule>,
    /// Deleted rules that still bite until the instant.
    lingering: Vec<(Instant, FirewallRule)>,
    /// Buckets by name.
    pub buckets: BTreeMap<String, Bucket>,
    /// Service accounts by e-mail.
    pub accounts: BTreeMap<String, ServiceAccount>,
    /// Issued access tokens and whose they are.
    pub tokens: BTreeMap<String, String>,
    operations: BTreeMap<String, Operation>,
    /// Resumable uploads that are not complete, by id.
    uploads: BTreeMap<String, storage::Upload>,
    operator: Option<OperatorKey>,
    token_uri: String,
    counter: u64,
}

/// A VPC firewall rule.
#[derive(Clone, Debug, Serialize)]
pub struct FirewallRule {
    /// Name, unique in the project.
    pub name: String,
    /// Last segment of the network's URL.
    pub network: String,
    /// True for INGRESS, false for EGRESS.
    pub ingress: bool,
    /// 0 is the strongest; at equal priority deny wins.
    pub priority: u32,
    /// A disabled rule exists but does not bite.
    pub disabled: bool,
    /// CIDRs of the senders (INGRESS).
    pub source_ranges: Vec<String>,
    /// CIDRs of the receivers (EGRESS).
    pub destination_ranges: Vec<String>,
    /// Tags of the senders (INGRESS).
    pub source_tags: Vec<String>,
    /// Tags of the nodes that the rule guards; empty means all of the network.
    pub target_tags: Vec<String>,
    /// Allow or deny.
    pub allow: bool,
    /// Protocol and port ranges (inclusive); no ranges means all ports.
    pub rules: Vec<(String, Vec<(u16, u16)>)>,
    /// Free text.
    pub description: String,
    /// From when on it bites: a moment after its operation is DONE.
    #[serde(skip)]
    pub in_force_from: Option<Instant>,
    /// The body as the API answers it.
    #[serde(skip)]
    pub body: Value,
}

#[derive(Clone, Debug)]
struct Operation {
    done_at: Instant,
    body: Value,
}

/// How long a finished firewall operation takes to bite.
const PROPAGATION: Duration = Duration::from_millis(80);

impl Gcp {
    /// The rules that bite at `now`: propagated, not disabled, plus deleted ones that still linger.
    pub fn rules_in_force(&self, now: Instant) -> Vec<&FirewallRule> {
        let lingering = self.lingering.iter().filter(|(until, _)| *until > now).map(|(_, rule)| rule);
        self.firewalls
            .values()
            .filter(|rule| rule.in_force_from.is_none_or(|from| from <= now))
            .chain(lingering)
            .filter(|rule| !rule.disabled)
            .collect()
    }

    /// Whether `token` was issued by this world.
    pub fn token_is_valid(&self, token: &str) -> bool {
        self.tokens.contains_key(token)
    }

    /// Issues an access token for `principal` without an exchange.
    pub fn issue_token(&mut self, principal: &str) -> String {
        let token = format!("ya29.sandbox-{:016x}{:016x}", rand::random::<u64>(), rand::random::<u64>());
        self.tokens.insert(token.clone(), principal.to_owned());
        token
    }

    /// The account behind a key file (`TYPE_GOOGLE_CREDENTIALS_FILE`), if that very key still exists.
    pub fn account_of_key(&self, key_file: &str) -> Option<String> {
        let key: Value = serde_json::from_str(key_file).ok()?;
        let email = key["client_email"].as_str()?;
        let id = key["private_key_id"].as_str()?;
        let account = self.accounts.get(email)?;
        let known = account.keys.get(id)?;
        (known.private_key_pem == key["private_key"].as_str()?).then(|| email.to_owned())
    }

    /// Where this world's tokens are reviewed; `None` before it has an operator.
    pub(crate) fn token_review_url(&self) -> Option<String> {
        self.token_uri.strip_suffix("/token").map(|endpoint| format!("{endpoint}{TOKEN_REVIEW_PATH}"))
    }

    fn next_id(&mut self) -> u64 {
        self.counter += 1;
        7_000_000_000_000_000_000 + self.counter
    }
}

/// Forgets deleted rules that no longer bite.
pub fn tick(world: &mut World) {
    let now = Instant::now();
    world.gcp.lingering.retain(|(until, _)| *until > now);
}

/// See [`Gcp::token_is_valid`].
pub fn token_is_valid(gcp: &Gcp, token: &str) -> bool {
    gcp.token_is_valid(token)
}

/// All Google Cloud endpoints on one router: container, compute, iam (REST), storage (gRPC and JSON), and `/token`.
pub fn router(shared: Shared) -> axum::Router {
    let guarded = axum::Router::new()
        .merge(container::routes())
        .merge(compute::routes())
        .merge(iam::routes())
        .with_state(shared.clone())
        .merge(storage::guarded(shared.clone()))
        .layer(middleware::from_fn_with_state(shared.clone(), authenticate));
    token::routes()
        .merge(review::routes())
        .with_state(shared.clone())
        .merge(guarded)
        .merge(storage::unguarded(shared.clone()))
        .layer(middleware::from_fn_with_state(shared, record_and_inject))
}

async fn authenticate(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let known = request
        .headers()
        .get(http::header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .is_some_and(|token| shared.lock().gcp.token_is_valid(token));
    if known {
        return next.run(request).await;
    }
    if request.uri().path().starts_with("/google.") {
        return tonic::Status::unauthenticated("Request had invalid authentication credentials.").into_http();
    }
    response::ApiError::new(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.").into_response()
}

/// The name of Google's that goes with an HTTP status.
const fn status_name(status: u16) -> &'static str {
    match status {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        500 => "INTERNAL",
        504 => "DEADLINE_EXCEEDED",
        _ => "UNAVAILABLE",
    }
}

async fn record_and_inject(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let method = request.method().as_str().to_owned();
    let path = request.uri().path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string);
    crate::world::calls::record(&shared, &method, &path);
    match crate::world::faults::check(&shared, &method, &path) {
        Some(Fault::Error(status)) => {
            return response::ApiError::new(status, status_name(status), "Injected by the sandbox.").into_response();
        }
        // an answer whose body breaks off is how a dropped connection looks from inside a handler
        Some(Fault::Drop) => {
            let broken = futures::stream::once(async { Err::<bytes::Bytes, _>(std::io::Error::other("dropped")) });
            return Response::new(axum::body::Body::from_stream(broken));
        }
        Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
        None => {}
    }
    next.run(request).await
}
