//! What the real stores hold, read over HTTP by the audit itself.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::http::call;
use crate::audit::Held;

/// Documents a page.
const PAGE: usize = 5000;

const PATIENCE: Duration = Duration::from_secs(20);

/// All record documents of the given stores (namespace to base URL). A store without any index holds nothing.
///
/// # Errors
/// A store does not answer, or answers what can't be understood.
pub async fn collect(stores: &BTreeMap<String, String>) -> Result<BTreeMap<String, Held>, String> {
    let mut all = BTreeMap::new();
    for (namespace, url) in stores {
        all.insert(namespace.clone(), of_store(url.trim_end_matches('/')).await?);
    }
    Ok(all)
}

async fn of_store(url: &str) -> Result<Held, String> {
    call("POST", &format!("{url}/zeebe-record*/_refresh"), String::new(), PATIENCE).await?;
    let mut held = Held::new();
    let mut after: Option<Value> = None;
    loop {
        let mut query = json!({
            "size": PAGE,
            "_source": ["partitionId", "position", "key"],
            "query": {"match_all": {}},
            "sort": [
                {"partitionId": {"order": "asc", "unmapped_type": "long"}},
                {"position": {"order": "asc", "unmapped_type": "long"}},
                {"_index": {"order": "asc"}},
            ],
        });
        if let Some(after) = after.take() {
            query["search_after"] = after;
        }
        let found = call("POST", &format!("{url}/zeebe-record*/_search"), query.to_string(), PATIENCE).await?;
        if found["timed_out"] == true || found["_shards"]["failed"].as_u64().is_some_and(|failed| failed > 0) {
            return Err(format!("{url}: a search did not reach all shards: {}", found["_shards"]));
        }
        let hits = found["hits"]["hits"].as_array().ok_or_else(|| format!("{url}: a search without hits"))?;
        for hit in hits {
            let record = &hit["_source"];
            let (Some(partition), Some(position), Some(key)) =
                (record["partitionId"].as_u64(), record["position"].as_u64(), record["key"].as_i64())
            else {
                return Err(format!("{url}: {} is no record", hit["_id"]));
            };
            held.entry((partition, position)).or_default().push(key);
        }
        match hits.last() {
            Some(last) if hits.len() == PAGE => after = Some(last["sort"].clone()),
            _ => return Ok(held),
        }
    }
}
