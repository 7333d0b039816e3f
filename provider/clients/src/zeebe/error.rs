//! What a caller of Zeebe decides by (`dual-region.md 4.5`).

use serde_json::Value;

use crate::kubernetes::{self, Answer, CallError};

/// Why a call to Zeebe failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No gateway or broker could be asked. Nothing has happened.
    #[error("Zeebe can't be reached: {0}")]
    Unreachable(String),
    /// It was asked and did not answer: look whether it was done.
    #[error("Zeebe did not answer: {0}")]
    NoAnswer(String),
    /// 502 or 504: the member with the lowest ID, which alone answers, is gone.
    #[error("the coordinating broker does not answer: {0}")]
    CoordinatorGone(String),
    /// 409: there is never more than one change at a time.
    #[error("another change is in progress: {0}")]
    ChangeInProgress(String),
    /// 400: what was asked for is invalid or not allowed.
    #[error("Zeebe rejects it: {0}")]
    Rejected(String),
    /// 404: no such endpoint, exporter or broker.
    #[error("Zeebe does not know it: {0}")]
    NotFound(String),
    /// Exporting can't be paused or resumed because leaders or replicas are missing. The HTTP status may well be 200.
    #[error("not all replicas could be told: {0}")]
    Incomplete(String),
    /// The pod could not be asked because of Kubernetes' own answer.
    #[error(transparent)]
    Kubernetes(kubernetes::Error),
    /// Anything else.
    #[error("Zeebe answered HTTP {status}: {message}")]
    Failed {
        /// HTTP status.
        status: u16,
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
        let message = message(answer);
        match answer.status {
            502 | 504 => Self::CoordinatorGone(message),
            500 if message.contains("not the coordinator") => Self::CoordinatorGone(message),
            409 => Self::ChangeInProgress(message),
            400 => Self::Rejected(message),
            404 => Self::NotFound(message),
            status => Self::Failed { status, message },
        }
    }

    pub(super) fn unreadable(path: &str, error: &serde_json::Error, answer: &Answer) -> Self {
        Self::Failed {
            status: answer.status,
            message: format!("the answer to {path} can't be read ({error}): {}", answer.text()),
        }
    }
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        match error {
            CallError::NoPod { .. } | CallError::NotSent { .. } => Self::Unreachable(error.to_string()),
            CallError::NoAnswer { .. } => Self::NoAnswer(error.to_string()),
            // The gateway's Service is missing: there is no gateway.
            CallError::Kubernetes(kubernetes::Error::NotFound { what }) => {
                Self::Unreachable(format!("{what} does not exist"))
            }
            CallError::Kubernetes(error) => Self::Kubernetes(error),
        }
    }
}

/// `{"message":"…"}`, a problem's `detail`, or the text itself.
pub(super) fn message(answer: &Answer) -> String {
    let json: Value = answer.json().unwrap_or_default();
    let field = ["message", "detail", "title"].into_iter().find_map(|field| json[field].as_str());
    field.map_or_else(|| answer.text(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(502, r#"{"message":"Failed to connect channel for address …"}"#, Error::CoordinatorGone("Failed to connect channel for address …".into()))]
    #[case(504, "", Error::CoordinatorGone(String::new()))]
    #[case(409, r#"{"message":"Cannot apply configuration change. Another configuration change […] is in progress."}"#, Error::ChangeInProgress("Cannot apply configuration change. Another configuration change […] is in progress.".into()))]
    #[case(400, r#"{"message":"Number of brokers [2] is less than the replication factor [4]"}"#, Error::Rejected("Number of brokers [2] is less than the replication factor [4]".into()))]
    #[case(503, r#"{"type":"about:blank","title":"RESOURCE_EXHAUSTED","status":503,"detail":"Expected to execute…"}"#, Error::Failed { status: 503, message: "Expected to execute…".into() })]
    fn refusals(#[case] status: u16, #[case] body: &'static str, #[case] expected: Error) {
        assert_eq!(Error::refused(&Answer { status, body: Bytes::from(body) }), expected);
    }
}
