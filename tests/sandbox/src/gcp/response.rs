//! Errors and enums as Google's REST APIs write them.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// An error body of a Google API.
#[derive(Debug)]
pub(super) struct ApiError {
    code: u16,
    status: &'static str,
    message: String,
}

impl ApiError {
    pub(super) fn new(code: u16, status: &'static str, message: impl Into<String>) -> Self {
        Self { code, status, message: message.into() }
    }

    pub(super) fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(404, "NOT_FOUND", format!("The resource '{what}' was not found"))
    }

    pub(super) fn already_exists(what: impl std::fmt::Display) -> Self {
        Self::new(409, "ALREADY_EXISTS", format!("The resource '{what}' already exists"))
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "INVALID_ARGUMENT", message)
    }

    pub(super) fn precondition(message: impl Into<String>) -> Self {
        Self::new(400, "FAILED_PRECONDITION", message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = http::StatusCode::from_u16(self.code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
        let body = json!({"error": {"code": self.code, "message": self.message, "status": self.status,
            "errors": [{"message": self.message, "domain": "global", "reason": self.status}]}});
        (status, Json(body)).into_response()
    }
}

pub(super) type Answer = Result<Json<Value>, ApiError>;
