//! Errors of the API, which become `Status` objects.

use serde_json::{Value, json};

use super::kinds::Kind;

/// An answer other than success.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message} ({code} {reason})")]
pub struct ApiError {
    /// HTTP status.
    pub code: u16,
    /// Machine-readable reason.
    pub reason: &'static str,
    /// What a user reads.
    pub message: String,
    /// `details` of the Status.
    pub details: Value,
}

/// One finding of validation: (reason, field, message).
pub type Finding = (&'static str, String, String);

impl ApiError {
    pub(crate) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        ApiError { code, reason, message: message.into(), details: Value::Null }
    }

    fn about(mut self, kind: &Kind, name: &str) -> Self {
        self.details = json!({"name": name, "kind": kind.plural});
        if !kind.group.is_empty() {
            self.details["group"] = json!(kind.group);
        }
        self
    }

    pub(crate) fn not_found(kind: &Kind, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} \"{name}\" not found", kind.resource())).about(kind, name)
    }

    pub(crate) fn no_such_path() -> Self {
        let mut error = Self::new(404, "NotFound", "the server could not find the requested resource");
        error.details = json!({});
        error
    }

    pub(crate) fn already_exists(kind: &Kind, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{} \"{name}\" already exists", kind.resource())).about(kind, name)
    }

    pub(crate) fn conflict(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.resource());
        Self::new(409, "Conflict", message).about(kind, name)
    }

    pub(crate) fn modified(kind: &Kind, name: &str) -> Self {
        Self::conflict(
            kind,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    pub(crate) fn terminating(kind: &Kind, name: &str, namespace: &str) -> Self {
        let message = format!(
            "{} \"{name}\" is forbidden: unable to create new content in namespace {namespace} because it is being terminated",
            kind.resource()
        );
        let mut error = Self::new(403, "Forbidden", message).about(kind, name);
        error.details["causes"] = json!([{
            "reason": "NamespaceTerminating",
            "message": format!("namespace {namespace} is being terminated"),
            "field": "metadata.namespace"
        }]);
        error
    }

    pub(crate) fn invalid(kind: &Kind, name: &str, findings: &[Finding]) -> Self {
        let mut texts: Vec<String> = findings.iter().map(|(_, field, text)| format!("{field}: {text}")).collect();
        texts.dedup();
        let said = if texts.len() == 1 { texts.join("") } else { format!("[{}]", texts.join(", ")) };
        let mut error = Self::new(422, "Invalid", format!("{} \"{name}\" is invalid: {said}", kind.qualified()));
        let causes: Vec<Value> = findings
            .iter()
            .map(|(reason, field, text)| json!({"reason": reason, "message": text, "field": field}))
            .collect();
        error.details = json!({"kind": kind.kind, "causes": causes});
        if !name.is_empty() {
            error.details["name"] = json!(name);
        }
        if !kind.group.is_empty() {
            error.details["group"] = json!(kind.group);
        }
        error
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalError", message)
    }

    /// A plain error of the server's: it has no reason.
    pub(crate) fn plain(code: u16, message: impl Into<String>) -> Self {
        Self::new(code, "", message)
    }

    /// An applied configuration that is not what the schema says; `sent` is the configuration as it came.
    pub(crate) fn untyped(kind: &Kind, sent: &Value, why: &str) -> Self {
        let text = |pointer: &str| sent.pointer(pointer).and_then(Value::as_str).unwrap_or("");
        let message = format!(
            "failed to create typed patch object ({}/{}; {}/{}, Kind={}): {why}",
            text("/metadata/namespace"),
            text("/metadata/name"),
            kind.group,
            kind.version,
            kind.kind
        );
        Self::plain(500, message)
    }

    /// A precondition of a delete that does not hold.
    pub(crate) fn precondition(kind: &Kind, name: &str, why: &str) -> Self {
        let mut error = Self::new(
            409,
            "Conflict",
            format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.qualified()),
        );
        error.details = json!({"name": name, "kind": kind.kind});
        if !kind.group.is_empty() {
            error.details["group"] = json!(kind.group);
        }
        error
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    pub(crate) fn method_not_allowed() -> Self {
        let mut error =
            Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource");
        error.details = json!({});
        error
    }

    pub(crate) fn unsupported_media(seen: &str) -> Self {
        Self::new(
            415,
            "UnsupportedMediaType",
            format!(
                "the body of the request was in an unknown format ({seen}) - accepted media types include: application/json-patch+json, \
                 application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml"
            ),
        )
    }

    pub(crate) fn gone(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// The `Status` object.
    #[must_use]
    pub fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code
        });
        if !self.reason.is_empty() {
            status["reason"] = json!(self.reason);
        }
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status
    }
}
