//! The part of the query language that anybody here needs: filters, `terms` and number aggregations.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Why a request was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported(pub String);

/// A field of a document; dots go into objects, `.keyword` is ignored.
fn field<'a>(document: &'a Value, name: &str) -> &'a Value {
    name.trim_end_matches(".keyword").split('.').fold(document, |value, part| &value[part])
}

fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Null => vec![],
        one => vec![one],
    }
}

fn only(value: &Value) -> Result<(&String, &Value), Unsupported> {
    value
        .as_object()
        .and_then(|object| object.iter().next())
        .ok_or_else(|| Unsupported("[query] malformed, no start_object after query name".into()))
}

/// Whether a document passes a query.
pub fn matches(query: &Value, id: &str, document: &Value) -> Result<bool, Unsupported> {
    if query.is_null() {
        return Ok(true);
    }
    let (kind, body) = only(query)?;
    Ok(match kind.as_str() {
        "match_all" => true,
        "match_none" => false,
        "ids" => list(&body["values"]).iter().any(|value| value.as_str() == Some(id)),
        "exists" => !field(document, body["field"].as_str().unwrap_or_default()).is_null(),
        "term" | "match" => {
            let (name, wanted) = only(body)?;
            let wanted = if wanted.is_object() {
                wanted.get("value").or_else(|| wanted.get("query")).unwrap_or(&Value::Null)
            } else {
                wanted
            };
            same(field(document, name), wanted)
        }
        "terms" => {
            let (name, wanted) = only(body)?;
            list(wanted).iter().any(|wanted| same(field(document, name), wanted))
        }
        "prefix" => {
            let (name, wanted) = only(body)?;
            let wanted = wanted.as_str().or_else(|| wanted["value"].as_str()).unwrap_or_default();
            field(document, name).as_str().is_some_and(|value| value.starts_with(wanted))
        }
        "range" => {
            let (name, limits) = only(body)?;
            let Some(value) = field(document, name).as_f64() else { return Ok(false) };
            let limit = |key: &str| limits[key].as_f64().or_else(|| limits[key].as_str()?.parse().ok());
            limit("gte").is_none_or(|limit| value >= limit)
                && limit("gt").is_none_or(|limit| value > limit)
                && limit("lte").is_none_or(|limit| value <= limit)
                && limit("lt").is_none_or(|limit| value < limit)
        }
        "bool" => {
            for clause in list(&body["must"]).into_iter().chain(list(&body["filter"])) {
                if !matches(clause, id, document)? {
                    return Ok(false);
                }
            }
            for clause in list(&body["must_not"]) {
                if matches(clause, id, document)? {
                    return Ok(false);
                }
            }
            let should = list(&body["should"]);
            let optional = body["minimum_should_match"].as_u64() == Some(0)
                || (body["minimum_should_match"].is_null() && (!body["must"].is_null() || !body["filter"].is_null()));
            if should.is_empty() || optional {
                return Ok(true);
            }
            for clause in should {
                if matches(clause, id, document)? {
                    return Ok(true);
                }
            }
            false
        }
        other => return Err(Unsupported(format!("unknown query [{other}]"))),
    })
}

fn same(one: &Value, other: &Value) -> bool {
    one == other || text(one) == text(other)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Aggregations over documents.
pub fn aggregate(aggregations: &Value, documents: &[(&str, &Value)]) -> Result<Value, Unsupported> {
    let mut answer = serde_json::Map::new();
    for (name, body) in aggregations.as_object().into_iter().flatten() {
        let sub = if body["aggs"].is_null() { &body["aggregations"] } else { &body["aggs"] };
        let kind = body
            .as_object()
            .and_then(|object| object.keys().find(|key| !matches!(key.as_str(), "aggs" | "aggregations" | "meta")));
        let kind = kind.ok_or_else(|| Unsupported(format!("Missing definition for aggregation [{name}]")))?;
        answer.insert(name.clone(), one(kind, &body[kind], sub, documents)?);
    }
    Ok(Value::Object(answer))
}

/// The documents of a bucket, with its key.
type Group<'a> = (Value, Vec<(&'a str, &'a Value)>);

fn one(kind: &str, body: &Value, sub: &Value, documents: &[(&str, &Value)]) -> Result<Value, Unsupported> {
    let name = body["field"].as_str().unwrap_or_default();
    let numbers: Vec<f64> = documents.iter().filter_map(|(_, document)| field(document, name).as_f64()).collect();
    let min = numbers.iter().copied().reduce(f64::min);
    let max = numbers.iter().copied().reduce(f64::max);
    let sum: f64 = numbers.iter().sum();
    let count = numbers.len();
    let average = if count == 0 { None } else { Some(sum / count as f64) };
    Ok(match kind {
        "stats" => json!({"count": count, "min": min, "max": max, "avg": average, "sum": sum}),
        "min" => json!({"value": min}),
        "max" => json!({"value": max}),
        "avg" => json!({"value": average}),
        "sum" => json!({"value": sum}),
        "value_count" => {
            json!({"value": documents.iter().filter(|(_, document)| !field(document, name).is_null()).count()})
        }
        "cardinality" => {
            let mut seen: Vec<String> = documents.iter().map(|(_, document)| text(field(document, name))).collect();
            seen.sort();
            seen.dedup();
            json!({"value": seen.len()})
        }
        "filter" => {
            let mut kept = Vec::new();
            for (id, document) in documents {
                if matches(body, id, document)? {
                    kept.push((*id, *document));
                }
            }
            bucket(json!({"doc_count": kept.len()}), sub, &kept)?
        }
        "filters" => {
            let mut buckets = serde_json::Map::new();
            for (name, query) in body["filters"].as_object().into_iter().flatten() {
                let inner = one("filter", query, sub, documents)?;
                buckets.insert(name.clone(), inner);
            }
            json!({"buckets": buckets})
        }
        "terms" => {
            let mut groups: BTreeMap<String, Group<'_>> = BTreeMap::new();
            for (id, document) in documents {
                let value = field(document, name);
                if !value.is_null() {
                    groups.entry(text(value)).or_insert_with(|| (value.clone(), vec![])).1.push((*id, *document));
                }
            }
            let mut groups: Vec<_> = groups.into_values().collect();
            groups.sort_by(|(a, one), (b, other)| other.len().cmp(&one.len()).then_with(|| text(a).cmp(&text(b))));
            let size = body["size"].as_u64().unwrap_or(10) as usize;
            let rest: usize = groups.iter().skip(size).map(|(_, documents)| documents.len()).sum();
            let mut buckets = Vec::new();
            for (key, documents) in groups.into_iter().take(size) {
                buckets.push(bucket(json!({"key": key, "doc_count": documents.len()}), sub, &documents)?);
            }
            json!({"doc_count_error_upper_bound": 0, "sum_other_doc_count": rest, "buckets": buckets})
        }
        other => return Err(Unsupported(format!("Unknown aggregation type [{other}]"))),
    })
}

fn bucket(mut head: Value, sub: &Value, documents: &[(&str, &Value)]) -> Result<Value, Unsupported> {
    if let (Some(head), Value::Object(inner)) = (head.as_object_mut(), aggregate(sub, documents)?) {
        head.extend(inner);
    }
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_by_partition_up_to_a_position() {
        let documents: Vec<(String, Value)> = (1..=2)
            .flat_map(|p| (1..=5).map(move |n| (format!("{p}-{n}"), json!({"partitionId": p, "position": n}))))
            .collect();
        let query = json!({"bool": {"should": [
            {"bool": {"filter": [{"term": {"partitionId": 1}}, {"range": {"position": {"lte": 3}}}]}},
            {"bool": {"filter": [{"term": {"partitionId": 2}}, {"range": {"position": {"lte": 5}}}]}},
        ], "minimum_should_match": 1}});
        let kept: Vec<(&str, &Value)> = documents
            .iter()
            .filter(|(id, d)| matches(&query, id, d).unwrap())
            .map(|(id, d)| (id.as_str(), d))
            .collect();
        let answer =
            aggregate(&json!({"p": {"terms": {"field": "partitionId", "size": 8}, "aggs": {"s": {"stats": {"field": "position"}}}}}), &kept).unwrap();
        assert_eq!(answer["p"]["buckets"][0]["key"], json!(2));
        assert_eq!(answer["p"]["buckets"][1]["s"], json!({"count": 3, "min": 1.0, "max": 3.0, "avg": 2.0, "sum": 6.0}));
        assert!(matches(&json!({"fuzzy": {}}), "", &Value::Null).is_err());
    }
}
