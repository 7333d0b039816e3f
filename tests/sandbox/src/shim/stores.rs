//! The exporter's hands: real `_bulk` requests to the URL that was configured, through real names and whatever is between.

use std::collections::BTreeSet;
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::outside::http::call;

/// How long the store may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Stores that have the index template.
#[derive(Default)]
pub(super) struct Templates(Mutex<BTreeSet<String>>);

/// Writes documents; all of them are acknowledged, or it is an error.
pub(super) async fn write(templates: &Templates, url: &str, body: String) -> Result<(), String> {
    let url = url.trim_end_matches('/');
    let known = templates.0.lock().contains(url);
    if !known {
        // as the exporter does when it opens: without it, a single node would never be green
        let template = json!({
            "index_patterns": ["zeebe-record_*"],
            "template": {"settings": {"number_of_shards": 1, "number_of_replicas": 0}},
        });
        call("PUT", &format!("{url}/_index_template/zeebe-record"), template.to_string(), PATIENCE).await?;
        templates.0.lock().insert(url.to_owned());
    }
    let answer = call("POST", &format!("{url}/_bulk"), body, PATIENCE).await;
    // a store that was emptied has lost the template too
    if answer.is_err() {
        templates.0.lock().remove(url);
    }
    refused(&answer?)
}

/// A bulk request can fail document by document behind a status of 200.
fn refused(answer: &Value) -> Result<(), String> {
    if answer["errors"] == false {
        return Ok(());
    }
    let first = answer["items"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|item| item.as_object().into_iter().flat_map(|item| item.values()))
        .find(|item| !item["error"].is_null())
        .map(|item| item["error"].to_string());
    Err(first.unwrap_or_else(|| format!("the store does not say that it took all: {answer}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_of_200_is_not_enough() {
        assert!(refused(&json!({"errors": false, "items": []})).is_ok());
        let half = json!({"errors": true, "items": [{"index": {"status": 201}}, {"index": {"status": 429, "error": {"type": "rejected"}}}]});
        assert!(refused(&half).unwrap_err().contains("rejected"));
        assert!(refused(&json!({})).is_err());
    }
}
