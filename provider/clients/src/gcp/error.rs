//! What a caller of Google Cloud decides by.

use google_cloud_gax::client_builder;
use google_cloud_gax::error::rpc::Code;

use crate::Interrupted;

/// Why a call to Google Cloud failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It does not exist.
    #[error("{what} does not exist")]
    NotFound {
        /// Kind and name.
        what: String,
    },
    /// There is one of that name already. Look at it before adopting it.
    #[error("{what} exists already")]
    AlreadyExists {
        /// Kind and name.
        what: String,
    },
    /// 401 or 403: the credentials don't suffice. Says nothing about the health of anything (design: permissions).
    #[error("not allowed to {verb} {what}: {message}")]
    Forbidden {
        /// What was tried: `get`, `create`, ….
        verb: &'static str,
        /// Kind and name.
        what: String,
        /// Google's text; names the missing permission.
        message: String,
    },
    /// The endpoint can't be reached, does not answer in time, or says that it is unavailable.
    #[error("no answer from {endpoint}: {cause}")]
    Unreachable {
        /// Base URL.
        endpoint: String,
        /// Refused, timed out, name unknown, ….
        cause: String,
    },
    /// It changed in between (etag), is in use, or another operation runs on it.
    #[error("{what} can't be changed now: {message}")]
    Conflict {
        /// Kind and name.
        what: String,
        /// Google's text.
        message: String,
    },
    /// There are no usable credentials. Never holds any part of them.
    #[error("no usable Google credentials: {message}")]
    Credentials {
        /// What is wrong with them.
        message: String,
    },
    /// A long-running operation ended with an error.
    #[error("{what}: the operation failed: {message}")]
    Operation {
        /// Kind and name of its target.
        what: String,
        /// Google's text.
        message: String,
    },
    /// A wait was ended by its deadline or by Stop.
    #[error("waiting for {what}: {why}")]
    Interrupted {
        /// What was waited for.
        what: String,
        /// Which of the two.
        why: Interrupted,
    },
    /// Anything else.
    #[error("can't {verb} {what}: {message}")]
    Api {
        /// What was tried.
        verb: &'static str,
        /// Kind and name.
        what: String,
        /// HTTP status, where there was one.
        status: Option<u16>,
        /// Google's text.
        message: String,
    },
}

/// What a call is about, for its error.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    pub verb: &'static str,
    pub kind: &'static str,
    pub name: &'a str,
}

impl Subject<'_> {
    fn what(&self) -> String {
        format!("{} {}", self.kind, self.name)
    }
}

impl Error {
    /// Whether it says that the thing is absent.
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Whether the endpoint gave no usable answer.
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

    pub(super) fn interrupted(what: impl Into<String>, why: Interrupted) -> Self {
        Self::Interrupted { what: what.into(), why }
    }

    pub(super) fn building(api: &str, error: &client_builder::Error) -> Self {
        Self::Credentials { message: format!("the client for {api} can't be built: {error}") }
    }

    pub(super) fn classify(endpoint: &str, subject: Subject<'_>, error: &google_cloud_gax::error::Error) -> Self {
        if error.is_authentication() {
            return Self::Credentials { message: chain(error) };
        }
        let http = error.http_status_code();
        let Some(status) = error.status() else {
            let gone = error.is_connect() || error.is_timeout() || error.is_io() || error.is_exhausted();
            // A body that is no JSON error still has a status.
            return match http {
                Some(code) if !gone => Self::from_code(endpoint, subject, http_code(code), http, payload(error)),
                _ if gone => Self::Unreachable { endpoint: endpoint.to_owned(), cause: root(error) },
                _ => Self::Api { verb: subject.verb, what: subject.what(), status: http, message: chain(error) },
            };
        };
        // A JSON error without a known `status` is as good as its HTTP code.
        let code = match (status.code, http) {
            // Whatever the body says: these are about permissions, and must never be taken for an outage.
            (_, Some(code @ (401 | 403))) => http_code(code),
            (Code::Ok | Code::Unknown, Some(code)) => http_code(code),
            (code, _) => code,
        };
        Self::from_code(endpoint, subject, code, http, status.message.clone())
    }

    pub(super) fn from_code(
        endpoint: &str,
        subject: Subject<'_>,
        code: Code,
        status: Option<u16>,
        message: String,
    ) -> Self {
        let what = subject.what();
        // It becomes a part of a sentence.
        let message = message.trim_end_matches(['.', ' ', '\n']).to_owned();
        match code {
            Code::NotFound => Self::NotFound { what },
            Code::AlreadyExists => Self::AlreadyExists { what },
            // HTTP 409 is both; on a creation it means that the name is taken.
            Code::Aborted if subject.verb == "create" && status == Some(409) => Self::AlreadyExists { what },
            Code::Aborted | Code::FailedPrecondition => Self::Conflict { what, message },
            Code::PermissionDenied | Code::Unauthenticated => Self::Forbidden { verb: subject.verb, what, message },
            Code::Unavailable | Code::DeadlineExceeded => {
                let cause = match status {
                    Some(status) => format!("HTTP {status}: {message}"),
                    None => message,
                };
                Self::Unreachable { endpoint: endpoint.to_owned(), cause }
            }
            _ => Self::Api { verb: subject.verb, what, status, message },
        }
    }
}

fn http_code(status: u16) -> Code {
    match status {
        400 => Code::InvalidArgument,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::NotFound,
        409 => Code::Aborted,
        412 => Code::FailedPrecondition,
        429 => Code::ResourceExhausted,
        502 | 503 => Code::Unavailable,
        504 => Code::DeadlineExceeded,
        _ => Code::Unknown,
    }
}

fn payload(error: &google_cloud_gax::error::Error) -> String {
    let Some(payload) = error.http_payload() else { return chain(error) };
    let text = String::from_utf8_lossy(payload);
    text.chars().take(300).collect()
}

/// The innermost cause: what happened on the wire. The layers above it name libraries and repeat the address.
pub(crate) fn root(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let text = cause.to_string();
    let text = text.split(" (os error").next().unwrap_or_default().trim_end_matches(['.', ' ']);
    // the names that libraries give to a connection that breaks off
    match text {
        "tls handshake eof" => "the connection was closed during the TLS handshake".to_owned(),
        "operation timed out" | "deadline has elapsed" => "it did not answer in time".to_owned(),
        text => text.to_owned(),
    }
}

/// An error with its causes, outermost first.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("error sending request for url (https://k/x)")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn users_read_what_happened_on_the_wire() {
        let broken = |text: &str| root(&Outer(std::io::Error::other(text.to_owned())));
        assert_eq!(broken("Connection refused (os error 111)"), "Connection refused");
        assert_eq!(broken("tls handshake eof"), "the connection was closed during the TLS handshake");
    }

    #[test]
    fn the_http_status_decides_about_permissions() {
        let subject = Subject { verb: "get", kind: "GKE cluster", name: "a" };
        let error = Error::from_code("http://g", subject, http_code(403), Some(403), "Missing permission.".into());
        assert_eq!(error.to_string(), "not allowed to get GKE cluster a: Missing permission");
    }
}
