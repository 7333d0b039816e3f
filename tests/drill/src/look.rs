//! What brokers and stores say of themselves, asked at their own ports: no API server and no gateway has to live for it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

/// A page that is looked at waits for nobody.
const PATIENCE: Duration = Duration::from_millis(700);

/// One line about a pod, if it is a broker or a store that answers.
pub async fn at(http: &reqwest::Client, pod: &Value) -> Option<String> {
    let address = pod["ip"].as_str()?;
    let ask = |path: String| async move {
        let answer = http.get(format!("http://{address}{path}")).timeout(PATIENCE).send().await.ok()?;
        answer.error_for_status().ok()?.json::<Value>().await.ok()
    };
    match pod["component"].as_str()? {
        "zeebe-broker" | "zeebe-temporary" => broker(&ask(":9600/actuator/partitions".into()).await?),
        "elasticsearch" | "elasticsearch-temporary" => {
            let health = ask(":9200/_cluster/health".into()).await?;
            let count = ask(":9200/zeebe-record*/_count".into()).await?;
            Some(format!("{}, {} records", health["status"].as_str()?, count["count"].as_u64()?))
        }
        _ => None,
    }
}

/// Partitions by role; what leaders say of exporting, and how far it is.
fn broker(partitions: &Value) -> Option<String> {
    let mut roles: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut exporting = Vec::new();
    for (id, replica) in partitions.as_object()? {
        let role = replica["role"].as_str().unwrap_or("UNKNOWN");
        roles.entry(role).or_default().push(id);
        if role == "LEADER" {
            let phase = replica["exporterPhase"].as_str().unwrap_or("unknown").to_lowercase();
            exporting.push(format!("{id} {phase} to {}", replica["exportedPosition"]));
        }
    }
    let mut line = String::new();
    for (role, ids) in roles {
        let _ = write!(line, "{} {}  ", role.to_lowercase(), ids.join(","));
    }
    let _ = write!(line, "{}", exporting.join(", "));
    Some(line.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_broker_tells_roles_and_how_far_its_leaders_have_exported() {
        let partitions = json!({
            "1": {"role": "LEADER", "exporterPhase": "EXPORTING", "exportedPosition": 41},
            "2": {"role": "FOLLOWER", "exporterPhase": null},
            "3": {"role": "FOLLOWER"},
        });
        assert_eq!(broker(&partitions).unwrap(), "follower 2,3  leader 1  1 exporting to 41");
        assert_eq!(broker(&json!([])), None);
    }
}
