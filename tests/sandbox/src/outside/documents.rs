//! What the real stores hold, read over HTTP by the audit itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::http::call;
use crate::audit::Held;

/// Documents a page.
const PAGE: usize = 5000;

const PATIENCE: Duration = Duration::from_secs(20);

/// What the documents of a store tell of the instances in the process `order`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Told {
    /// The documents' keys by partition and position.
    pub held: Held,
    /// Instances by the client's unique key.
    pub started: BTreeMap<String, BTreeSet<i64>>,
    /// Instances that came to their end.
    pub completed: BTreeSet<i64>,
}

/// All record documents of the given stores (namespace to base URL). A store without any index holds nothing.
///
/// # Errors
/// A store does not answer, or answers what can't be understood.
pub async fn collect(stores: &BTreeMap<String, String>) -> Result<BTreeMap<String, Told>, String> {
    let mut all = BTreeMap::new();
    for (namespace, url) in stores {
        all.insert(namespace.clone(), of_store(url.trim_end_matches('/')).await?);
    }
    Ok(all)
}

async fn of_store(url: &str) -> Result<Told, String> {
    call("POST", &format!("{url}/zeebe-record*/_refresh"), String::new(), PATIENCE).await?;
    let indices = format!("{url}/_cat/indices/zeebe-record*?format=json&h=index");
    let indices = call("GET", &indices, String::new(), PATIENCE).await?;
    let mut told = Told::default();
    for index in indices.as_array().into_iter().flatten().filter_map(|one| one["index"].as_str()) {
        of_index(&format!("{url}/{index}/_search"), &mut told).await?;
    }
    Ok(told)
}

/// Pages through one index, where partition and position are the document's name and so no two are alike.
async fn of_index(url: &str, told: &mut Told) -> Result<(), String> {
    let mut after: Option<Value> = None;
    loop {
        let mut query = json!({
            "size": PAGE,
            "_source": ["partitionId", "position", "key", "valueType", "intent", "value.name", "value.value",
                "value.processInstanceKey", "value.bpmnElementType"],
            "query": {"match_all": {}},
            "sort": [
                {"partitionId": {"order": "asc", "unmapped_type": "long"}},
                {"position": {"order": "asc", "unmapped_type": "long"}},
            ],
        });
        if let Some(after) = after.take() {
            query["search_after"] = after;
        }
        let found = call("POST", url, query.to_string(), PATIENCE).await?;
        if found["timed_out"] == true || found["_shards"]["failed"].as_u64().is_some_and(|failed| failed > 0) {
            return Err(format!("{url}: a search did not reach all shards: {}", found["_shards"]));
        }
        let hits = found["hits"]["hits"].as_array().ok_or_else(|| format!("{url}: a search without hits"))?;
        for hit in hits {
            told.take(&hit["_source"]).ok_or_else(|| format!("{url}: {} is no record", hit["_id"]))?;
        }
        match hits.last() {
            Some(last) if hits.len() == PAGE => after = Some(last["sort"].clone()),
            _ => return Ok(()),
        }
    }
}

impl Told {
    /// Takes a record in; `None` if it is none.
    pub(crate) fn take(&mut self, record: &Value) -> Option<()> {
        let (partition, position) = (record["partitionId"].as_u64()?, record["position"].as_u64()?);
        self.held.entry((partition, position)).or_default().push(record["key"].as_i64()?);
        let value = &record["value"];
        let instance = value["processInstanceKey"].as_i64();
        match (record["valueType"].as_str(), record["intent"].as_str(), instance) {
            (Some("VARIABLE"), _, Some(instance)) if value["name"] == "businessKey" => {
                // the value of a variable is JSON in a text
                let business = serde_json::from_str(value["value"].as_str().unwrap_or_default()).unwrap_or_default();
                self.started.entry(business).or_default().insert(instance);
            }
            (Some("PROCESS_INSTANCE"), Some("ELEMENT_COMPLETED"), Some(instance))
                if value["bpmnElementType"] == "PROCESS" =>
            {
                self.completed.insert(instance);
            }
            _ => {}
        }
        Some(())
    }
}
