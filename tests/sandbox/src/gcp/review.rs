//! Token reviews: a Kubernetes API server that is not of this process asks whose an access token is
//! (`--authentication-token-webhook-config-file`), as GKE's API servers ask Google.

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;
use serde_json::{Value, json};

use crate::world::Shared;

/// Where the reviews are answered.
pub const TOKEN_REVIEW_PATH: &str = "/kubernetes/tokenreviews";

pub(super) fn routes() -> Router<Shared> {
    Router::new().route(TOKEN_REVIEW_PATH, post(review))
}

async fn review(State(shared): State<Shared>, Json(request): Json<Value>) -> (StatusCode, Json<Value>) {
    if request["apiVersion"] != "authentication.k8s.io/v1" || request["kind"] != "TokenReview" {
        return (
            StatusCode::BAD_REQUEST,
            Json(json!({"message": "expected a TokenReview of authentication.k8s.io/v1"})),
        );
    }
    let world = shared.lock();
    let owner = request["spec"]["token"].as_str().and_then(|token| world.gcp.tokens.get(token));
    let status = match owner {
        Some(email) => {
            // the person who drives the sandbox owns the project: container.admin, which is everything in a cluster.
            // A service account has no more than what RBAC gives it.
            let groups = if world.gcp.is_operator(email) { json!(["system:masters"]) } else { json!([]) };
            json!({"authenticated": true, "user": {"username": email, "uid": email, "groups": groups}})
        }
        None => json!({"authenticated": false}),
    };
    let answer = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status});
    (StatusCode::OK, Json(answer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;
    use crate::gcp::KeyPair;

    async fn ask(shared: &Shared, token: &str) -> Value {
        let request =
            json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}});
        let (status, Json(answer)) = review(State(shared.clone()), Json(request)).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(answer["kind"], "TokenReview");
        answer["status"].clone()
    }

    #[tokio::test]
    async fn a_token_is_its_owners_and_a_strange_one_nobodys() {
        let shared = Shared::new(Options::default());
        let pair = KeyPair { private_key_pem: String::new(), public_key_der: vec![] };
        shared.lock().gcp.set_operator("sandbox", pair, "http://token");
        let operator = shared.lock().gcp.issue_token("terraform@sandbox.iam.gserviceaccount.com");
        let other = shared.lock().gcp.issue_token("backup@sandbox.iam.gserviceaccount.com");

        let seen = ask(&shared, &operator).await;
        assert_eq!(seen["user"]["username"], "terraform@sandbox.iam.gserviceaccount.com");
        assert_eq!(seen["user"]["groups"], json!(["system:masters"]));
        assert_eq!(ask(&shared, &other).await["user"]["groups"], json!([]));
        assert_eq!(ask(&shared, "ya29.made-up").await, json!({"authenticated": false}));
    }

    #[tokio::test]
    async fn another_version_is_refused() {
        let shared = Shared::new(Options::default());
        let request = json!({"apiVersion": "authentication.k8s.io/v1beta1", "kind": "TokenReview"});
        assert_eq!(review(State(shared), Json(request)).await.0, StatusCode::BAD_REQUEST);
    }
}
