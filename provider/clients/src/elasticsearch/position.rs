//! Which records a store holds, partition by partition.
//!
//! The records' documents have `partitionId` and `position`; their ID is `<partition>-<position>`. Two stores are equal up to
//! a position if number, least, greatest and sum of positions are the same: said of each partition, up to the smaller exported
//! position of both.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Elasticsearch, Error};
use crate::kubernetes::Call;

/// The indices that exporters write.
pub const RECORDS: &str = "zeebe-record*";

/// The records of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Positions {
    /// Documents.
    pub count: u64,
    /// Least position.
    pub min: i64,
    /// Greatest position.
    pub max: i64,
    /// Sum of positions. Elasticsearch adds in floating point, so compare with [`Positions::agrees_with`].
    pub sum: f64,
}

impl Positions {
    /// Whether both hold the same records, as far as these numbers tell.
    pub fn agrees_with(&self, other: &Self) -> bool {
        let close = (self.sum - other.sum).abs() <= 1e-12 * self.sum.abs().max(other.sum.abs());
        (self.count, self.min, self.max) == (other.count, other.min, other.max) && close
    }
}

impl Elasticsearch {
    /// The records of each partition, of `up_to` only those up to the given positions (empty: all records of all
    /// partitions). A partition without records is missing. What was just written is made visible before.
    pub async fn positions(&self, up_to: &BTreeMap<u32, i64>) -> Result<BTreeMap<u32, Positions>, Error> {
        match self.refresh(RECORDS).await {
            Ok(()) => {}
            Err(Error::NotFound(_)) => return Ok(BTreeMap::new()),
            Err(error) => return Err(error),
        }
        let answer: Value = self.ask(&Call::post(format!("/{RECORDS}/_search")).json(query(up_to))).await?;
        read(&answer)
    }
}

fn query(up_to: &BTreeMap<u32, i64>) -> Value {
    let mut body = json!({
        "size": 0,
        "aggs": { "partitions": {
            "terms": { "field": "partitionId", "size": 10_000 },
            "aggs": { "positions": { "stats": { "field": "position" } } },
        } },
    });
    if !up_to.is_empty() {
        let parts: Vec<Value> = up_to
            .iter()
            .map(|(partition, position)| {
                json!({ "bool": { "filter": [{ "term": { "partitionId": partition } }, { "range": { "position": { "lte": position } } }] } })
            })
            .collect();
        body["query"] = json!({ "bool": { "should": parts, "minimum_should_match": 1 } });
    }
    body
}

fn read(answer: &Value) -> Result<BTreeMap<u32, Positions>, Error> {
    let unreadable = |message: String| Error::Failed { status: 200, kind: String::new(), message };
    // A search that some shards did not answer would make two stores look different, or worse, equal.
    if answer["_shards"]["failed"].as_u64().unwrap_or(0) != 0 || answer["timed_out"] == true {
        return Err(unreadable(format!("the search is incomplete: {}", answer["_shards"])));
    }
    let Some(buckets) = answer.pointer("/aggregations/partitions/buckets").and_then(Value::as_array) else {
        // No index matches: no aggregations in some versions.
        return Ok(BTreeMap::new());
    };
    buckets
        .iter()
        .map(|bucket| bucket_positions(bucket).ok_or_else(|| unreadable(format!("unreadable bucket {bucket}"))))
        .collect()
}

#[allow(clippy::cast_possible_truncation)] // positions are far below 2^53
fn bucket_positions(bucket: &Value) -> Option<(u32, Positions)> {
    let partition = u32::try_from(bucket["key"].as_u64()?).ok()?;
    let stats = &bucket["positions"];
    let positions = Positions {
        count: stats["count"].as_u64()?,
        min: stats["min"].as_f64()? as i64,
        max: stats["max"].as_f64()? as i64,
        sum: stats["sum"].as_f64()?,
    };
    Some((partition, positions))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_partition_is_asked_up_to_its_own_position() {
        let query = query(&BTreeMap::from([(1, 100), (2, 50)]));
        assert_eq!(query["size"], 0);
        assert_eq!(
            query["query"]["bool"]["should"][1],
            json!({ "bool": { "filter": [{ "term": { "partitionId": 2 } }, { "range": { "position": { "lte": 50 } } }] } })
        );
        assert!(super::query(&BTreeMap::new()).get("query").is_none());
    }

    #[test]
    fn answers_are_read_and_incomplete_ones_refused() {
        let mut answer = json!({ "timed_out": false, "_shards": { "total": 2, "failed": 0 }, "aggregations": { "partitions": { "buckets": [
            { "key": 2, "doc_count": 3, "positions": { "count": 3, "min": 4.0, "max": 9.0, "avg": 6.0, "sum": 18.0 } }] } } });
        assert_eq!(read(&answer).unwrap()[&2], Positions { count: 3, min: 4, max: 9, sum: 18.0 });
        answer["_shards"]["failed"] = json!(1);
        assert!(read(&answer).is_err());
        assert!(read(&json!({ "_shards": { "failed": 0 } })).unwrap().is_empty());
    }

    #[test]
    fn agreement() {
        let positions = Positions { count: 3, min: 1, max: 3, sum: 6.0 };
        assert!(positions.agrees_with(&Positions { sum: 6.000_000_000_000_001, ..positions }));
        assert!(!positions.agrees_with(&Positions { sum: 7.0, ..positions }));
        assert!(!positions.agrees_with(&Positions { count: 2, ..positions }));
    }
}
