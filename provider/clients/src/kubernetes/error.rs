//! What a caller of Kubernetes decides by.

use kube::core::response::{Status, StatusCause};

use crate::Interrupted;
use crate::gcp;

/// Why a call to Kubernetes failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It does not exist.
    #[error("{what} does not exist")]
    NotFound {
        /// Kind, namespace and name.
        what: String,
    },
    /// There is one of that name already.
    #[error("{what} exists already")]
    AlreadyExists {
        /// Kind, namespace and name.
        what: String,
    },
    /// Fields belong to another field manager, or the object changed in between.
    #[error("{what} is in conflict{}: {message}", owners(.fields))]
    Conflict {
        /// Kind, namespace and name.
        what: String,
        /// Fields with their managers; empty if the resource version was the matter.
        fields: Vec<FieldConflict>,
        /// The API server's text.
        message: String,
    },
    /// 401 or 403. Says nothing about the health of the region.
    #[error("not allowed to {verb} {what}: {message}")]
    Forbidden {
        /// The RBAC verb.
        verb: &'static str,
        /// Kind, namespace and name.
        what: String,
        /// The API server's text.
        message: String,
    },
    /// No answer, or none from the API server itself.
    #[error("no answer from {endpoint}: {cause}")]
    Unreachable {
        /// URL of the API server.
        endpoint: String,
        /// Refused, timed out, wrong certificate, ….
        cause: String,
    },
    /// The API server does not accept the object.
    #[error("{what} is invalid: {message}")]
    Invalid {
        /// Kind, namespace and name.
        what: String,
        /// The API server's text; names the fields.
        message: String,
    },
    /// Someone else holds what was to be acquired, or has taken it.
    #[error("{what} is held by {holder}")]
    Held {
        /// The lease.
        what: String,
        /// Its holder.
        holder: String,
    },
    /// A wait was ended by its deadline or by Stop.
    #[error("waiting for {what}: {why}{}", last.as_deref().map(|last| format!(" ({last})")).unwrap_or_default())]
    Interrupted {
        /// What was waited for.
        what: String,
        /// Which of the two.
        why: Interrupted,
        /// What was seen last.
        last: Option<String>,
    },
    /// The client can't be made of what it was given.
    #[error("{message}")]
    Config {
        /// What is wrong.
        message: String,
    },
    /// Anything else.
    #[error("can't {verb} {what}: {message}")]
    Api {
        /// The RBAC verb.
        verb: &'static str,
        /// Kind, namespace and name.
        what: String,
        /// HTTP status, 0 if there was none.
        status: u16,
        /// The API server's text.
        message: String,
    },
}

/// A field that somebody else owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldConflict {
    /// `.spec.replicas`
    pub field: String,
    /// `kubectl-edit`
    pub manager: String,
}

fn owners(fields: &[FieldConflict]) -> String {
    let list: Vec<String> =
        fields.iter().map(|conflict| format!("{} of {}", conflict.field, conflict.manager)).collect();
    if list.is_empty() { String::new() } else { format!(" ({})", list.join(", ")) }
}

impl Error {
    /// Whether it says that the object is absent.
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Whether the API server gave no usable answer.
    pub const fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// Turns "does not exist" into `None`.
    pub fn absent<T>(result: Result<T, Self>) -> Result<Option<T>, Self> {
        match result {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn classify(endpoint: &str, verb: &'static str, what: &str, error: &kube::Error) -> Self {
        let unreachable = |cause: String| Self::Unreachable { endpoint: endpoint.to_owned(), cause };
        match error {
            kube::Error::Api(status) => Self::from_status(endpoint, verb, what, status),
            kube::Error::Service(cause) => match cause.downcast_ref::<gcp::Error>() {
                Some(gcp::Error::Unreachable { endpoint, cause }) => {
                    Self::Unreachable { endpoint: endpoint.clone(), cause: cause.clone() }
                }
                Some(error) => Self::Forbidden { verb, what: what.to_owned(), message: error.to_string() },
                None => unreachable(gcp::root(cause.as_ref())),
            },
            kube::Error::HyperError(cause) => unreachable(gcp::root(cause)),
            kube::Error::UpgradeConnection(cause) => {
                Self::Api { verb, what: what.to_owned(), status: 0, message: gcp::chain(cause) }
            }
            kube::Error::Auth(cause) => Self::Forbidden { verb, what: what.to_owned(), message: cause.to_string() },
            other => Self::Api { verb, what: what.to_owned(), status: 0, message: gcp::chain(other) },
        }
    }

    fn from_status(endpoint: &str, verb: &'static str, what: &str, status: &Status) -> Self {
        let (what, message) = (what.to_owned(), status.message.clone());
        // A namespace that is going answers 403 to creations; that is no question of permissions.
        let terminating = causes(status).iter().any(|cause| cause.reason == "NamespaceTerminating");
        match status.code {
            _ if status.is_already_exists() => Self::AlreadyExists { what },
            409 => Self::Conflict { what, fields: causes(status).iter().filter_map(field_conflict).collect(), message },
            403 if terminating => Self::Conflict { what, fields: Vec::new(), message },
            401 | 403 => Self::Forbidden { verb, what, message },
            404 => Self::NotFound { what },
            400 | 422 => Self::Invalid { what, message },
            502..=504 => {
                Self::Unreachable { endpoint: endpoint.to_owned(), cause: format!("HTTP {}: {message}", status.code) }
            }
            code => Self::Api { verb, what, status: code, message },
        }
    }
}

fn causes(status: &Status) -> &[StatusCause] {
    status.details.as_ref().map(|details| details.causes.as_slice()).unwrap_or_default()
}

/// `conflict with "kubectl-edit" using apps/v1`
fn field_conflict(cause: &StatusCause) -> Option<FieldConflict> {
    if cause.reason != "FieldManagerConflict" {
        return None;
    }
    let manager = cause.message.split('"').nth(1).unwrap_or(&cause.message);
    Some(FieldConflict { field: cause.field.clone(), manager: manager.to_owned() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn classified(status: serde_json::Value) -> Error {
        let status: Status = serde_json::from_value(status).unwrap();
        Error::classify("https://k", "patch", "Deployment ns/web", &kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn a_field_conflict_names_manager_and_field() {
        let error = classified(
            json!({ "status": "Failure", "reason": "Conflict", "code": 409, "message": "Apply failed with 1 conflict", "details": { "causes": [
            { "reason": "FieldManagerConflict", "message": "conflict with \"kubectl-edit\" using apps/v1", "field": ".spec.replicas" }] } }),
        );
        assert_eq!(
            error.to_string(),
            "Deployment ns/web is in conflict (.spec.replicas of kubectl-edit): Apply failed with 1 conflict"
        );
    }

    #[rstest]
    #[case("AlreadyExists", 409, "Deployment ns/web exists already")]
    #[case("NotFound", 404, "Deployment ns/web does not exist")]
    #[case("Forbidden", 403, "not allowed to patch Deployment ns/web: m")]
    #[case("Unauthorized", 401, "not allowed to patch Deployment ns/web: m")]
    #[case("Invalid", 422, "Deployment ns/web is invalid: m")]
    #[case("ServiceUnavailable", 503, "no answer from https://k: HTTP 503: m")]
    #[case("InternalError", 500, "can't patch Deployment ns/web: m")]
    fn statuses(#[case] reason: &str, #[case] code: u16, #[case] expected: &str) {
        assert_eq!(
            classified(json!({ "status": "Failure", "reason": reason, "code": code, "message": "m" })).to_string(),
            expected
        );
    }

    #[test]
    fn a_terminating_namespace_is_no_question_of_permissions() {
        let error = classified(json!({ "status": "Failure", "reason": "Forbidden", "code": 403, "message": "m",
            "details": { "causes": [{ "reason": "NamespaceTerminating" }] } }));
        assert!(matches!(error, Error::Conflict { .. }));
    }
}
