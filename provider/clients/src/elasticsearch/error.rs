//! What a caller of Elasticsearch decides by.

use serde_json::Value;

use crate::Interrupted;
use crate::kubernetes::{self, Answer, CallError};

/// Why a call to Elasticsearch failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It could not be asked. Nothing has happened.
    #[error("Elasticsearch can't be reached: {0}")]
    Unreachable(String),
    /// It was asked and did not answer: look whether it was done.
    #[error("Elasticsearch did not answer: {0}")]
    NoAnswer(String),
    /// No such repository, snapshot or index.
    #[error("Elasticsearch does not know it: {0}")]
    NotFound(String),
    /// There is a snapshot of that name.
    #[error("it exists already: {0}")]
    AlreadyExists(String),
    /// The repository can't be used: bucket, key or permissions. It stays registered (real-components.md 2).
    #[error("the repository can't be used: {0}")]
    Repository(String),
    /// A restore met an index that is there, or did not bring back all shards.
    #[error("the restore failed: {0}")]
    Restore(String),
    /// A snapshot ended without all its shards.
    #[error("the snapshot failed: {0}")]
    Snapshot(String),
    /// Not a name, or a pattern where a name is asked for.
    #[error("`{0}` is no name of an index, snapshot or repository")]
    Name(String),
    /// A wait was ended by its deadline or by Stop.
    #[error("waiting for Elasticsearch: {0}")]
    Interrupted(#[from] Interrupted),
    /// The pod could not be asked because of Kubernetes' own answer.
    #[error(transparent)]
    Kubernetes(kubernetes::Error),
    /// Anything else.
    #[error("Elasticsearch answered HTTP {status} {kind}: {message}")]
    Failed {
        /// HTTP status.
        status: u16,
        /// `illegal_argument_exception`, ….
        kind: String,
        /// Its text.
        message: String,
    },
}

impl Error {
    /// Whether nobody answered, so that this says nothing about the state.
    pub const fn is_silence(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_) | Self::NoAnswer(_) | Self::Kubernetes(kubernetes::Error::Unreachable { .. })
        )
    }

    pub(super) fn refused(answer: &Answer) -> Self {
        let json: Value = answer.json().unwrap_or_default();
        let error = &json["error"];
        let kind = error["type"].as_str().unwrap_or_default().to_owned();
        let message = reasons(error).unwrap_or_else(|| answer.text());
        match kind.as_str() {
            "repository_missing_exception" | "snapshot_missing_exception" | "index_not_found_exception" => {
                Self::NotFound(message)
            }
            "repository_verification_exception" | "repository_exception" => Self::Repository(message),
            "invalid_snapshot_name_exception" if message.contains("already exists") => Self::AlreadyExists(message),
            "snapshot_restore_exception" => Self::Restore(message),
            "master_not_discovered_exception" => Self::Unreachable(message),
            _ if answer.status == 404 => Self::NotFound(message),
            _ => Self::Failed { status: answer.status, kind, message },
        }
    }
}

/// `reason`, then the reasons of its causes: the useful one is the last.
fn reasons(error: &Value) -> Option<String> {
    let mut texts = vec![error["reason"].as_str()?.to_owned()];
    let mut cause = &error["caused_by"];
    while let Some(reason) = cause["reason"].as_str() {
        if !texts.iter().any(|text| text.contains(reason)) {
            texts.push(reason.to_owned());
        }
        cause = &cause["caused_by"];
    }
    Some(texts.join(": "))
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        match error {
            CallError::NoPod { .. } | CallError::NotSent { .. } => Self::Unreachable(error.to_string()),
            CallError::NoAnswer { .. } => Self::NoAnswer(error.to_string()),
            CallError::Kubernetes(kubernetes::Error::NotFound { what }) => {
                Self::Unreachable(format!("{what} does not exist"))
            }
            CallError::Kubernetes(error) => Self::Kubernetes(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(404, r#"{"error":{"type":"snapshot_missing_exception","reason":"[r:s] is missing"},"status":404}"#, Error::NotFound("[r:s] is missing".into()))]
    #[case(500, r#"{"error":{"type":"repository_verification_exception","reason":"[r] path [x] is not accessible","caused_by":{"type":"storage_exception","reason":"403 Forbidden"}},"status":500}"#, Error::Repository("[r] path [x] is not accessible: 403 Forbidden".into()))]
    #[case(500, r#"{"error":{"type":"snapshot_restore_exception","reason":"cannot restore index [a] because an open index with same name already exists"}}"#, Error::Restore("cannot restore index [a] because an open index with same name already exists".into()))]
    #[case(400, r#"{"error":{"type":"invalid_snapshot_name_exception","reason":"snapshot with the same name already exists"}}"#, Error::AlreadyExists("snapshot with the same name already exists".into()))]
    #[case(503, r#"{"error":{"type":"master_not_discovered_exception","reason":null}}"#, Error::Unreachable(r#"{"error":{"type":"master_not_discovered_exception","reason":null}}"#.into()))]
    #[case(429, "slow down", Error::Failed { status: 429, kind: String::new(), message: "slow down".into() })]
    fn refusals(#[case] status: u16, #[case] body: &'static str, #[case] expected: Error) {
        assert_eq!(Error::refused(&Answer { status, body: Bytes::from(body) }), expected);
    }
}
