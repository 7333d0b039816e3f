//! What stands between a valid object and the store: references that must exist, values that must be free.

use serde_json::Value;

use super::error::ApiError;
use super::kinds::Kind;
use super::store::Store;
use super::views::{name, text};

/// Checks a new object, or the change of one.
pub fn check(
    store: &Store,
    kind: &Kind,
    namespace: &str,
    live: Option<&Value>,
    object: &Value,
) -> Result<(), ApiError> {
    if live.is_some() {
        return Ok(());
    }
    let forbidden = |why: String| {
        let mut error = ApiError::not_found(kind, name(object));
        error.code = 403;
        error.reason = "Forbidden";
        error.message = format!("{} {:?} is forbidden: {why}", kind.resource(), name(object));
        Err(error)
    };
    match kind.kind {
        "Pod" => {
            let class = text(object, "/spec/priorityClassName");
            let builtin = class.starts_with("system-");
            if !class.is_empty() && !builtin && store.get("PriorityClass", "", class).is_none() {
                return forbidden(format!("no PriorityClass with name {class} was found"));
            }
            let account = text(object, "/spec/serviceAccountName");
            // the controllers make the default one; a pod of theirs is made again a moment later
            if account != "default" && store.get("ServiceAccount", namespace, account).is_none() {
                return forbidden(format!(
                    "error looking up service account {namespace}/{account}: serviceaccount {account:?} not found"
                ));
            }
            Ok(())
        }
        "Service" => {
            let mut found = Vec::new();
            super::services::allocates(&mut found, &store.settings.service_cidr, object);
            if found.is_empty() { Ok(()) } else { Err(ApiError::invalid(kind, name(object), &found)) }
        }
        _ => Ok(()),
    }
}
