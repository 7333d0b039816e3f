//! `status`: what runs, as a page that a person looks at while things break.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// What the page needs of a pod list.
pub fn pods(list: &[Value]) -> Vec<Value> {
    let summary = list.iter().map(|pod| {
        let containers = pod["status"]["containerStatuses"].as_array().cloned().unwrap_or_default();
        let ready = containers.iter().filter(|one| one["ready"] == true).count();
        let restarts: u64 = containers.iter().filter_map(|one| one["restartCount"].as_u64()).sum();
        json!({"namespace": pod["metadata"]["namespace"], "name": pod["metadata"]["name"], "state": state(pod),
            "ready": format!("{ready}/{}", containers.len()), "restarts": restarts, "ip": pod["status"]["podIP"],
            "component": pod["metadata"]["labels"]["app.kubernetes.io/component"]})
    });
    summary.collect()
}

/// The word that says most: why a container waits, else the phase.
fn state(pod: &Value) -> String {
    if !pod["metadata"]["deletionTimestamp"].is_null() {
        return "Terminating".into();
    }
    let waiting = ["initContainerStatuses", "containerStatuses"]
        .iter()
        .flat_map(|list| pod["status"][*list].as_array().into_iter().flatten())
        .find_map(|one| one["state"]["waiting"]["reason"].as_str());
    let in_gate = pod["status"]["initContainerStatuses"].as_array().into_iter().flatten();
    let in_gate = in_gate.filter(|one| one["state"]["running"].is_object()).find_map(|one| one["name"].as_str());
    match (in_gate, waiting, pod["status"]["phase"].as_str()) {
        (Some(name), ..) => format!("Init: {name}"),
        (None, Some(why), _) if why != "PodInitializing" => why.into(),
        (None, _, phase) => phase.unwrap_or("Unknown").into(),
    }
}

/// The page.
pub fn page(drill: &Value) -> String {
    let mut out = String::new();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for cluster in drill["clusters"].as_array().into_iter().flatten() {
        let (name, power) = (text(&cluster["name"]), text(&cluster["power"]));
        let _ = writeln!(
            out,
            "{} {name}  {}  {power}  {}",
            cluster["slot"],
            text(&cluster["location"]),
            text(&cluster["endpoint"])
        );
        for balancer in cluster["loadBalancers"].as_array().into_iter().flatten() {
            let _ = writeln!(out, "    load balancer {}", text(balancer));
        }
        for pod in cluster["pods"].as_array().into_iter().flatten() {
            let _ = writeln!(
                out,
                "    {:<14} {:<44} {:<6} {:<18} {:>2} restarts  {}",
                text(&pod["namespace"]),
                text(&pod["name"]),
                text(&pod["ready"]),
                text(&pod["state"]),
                pod["restarts"],
                text(&pod["ip"])
            );
            if let Some(says) = pod["says"].as_str() {
                let _ = writeln!(out, "    {:<14} {says}", "");
            }
        }
    }
    let denies = |rule: &&Value| rule["denied"].is_array() && rule["disabled"] != true;
    let fence: Vec<String> =
        drill["firewalls"].as_array().into_iter().flatten().filter(denies).map(|rule| text(&rule["name"])).collect();
    let _ = writeln!(out, "fence        {}", if fence.is_empty() { "none".into() } else { fence.join(", ") });
    for rule in drill["firewalls"].as_array().into_iter().flatten() {
        let verdict = if rule["denied"].is_array() { "deny" } else { "allow" };
        let off = if rule["disabled"] == true { " (disabled)" } else { "" };
        let _ = writeln!(
            out,
            "firewall {verdict:<5} {:<8} {:>5} {}{off}",
            text(&rule["direction"]),
            rule["priority"],
            text(&rule["name"])
        );
    }
    for (what, key) in
        [("cloud", "gcp"), ("credentials", "credentials"), ("KUBECONFIG", "kubeconfig"), ("control", "control")]
    {
        let _ = writeln!(out, "{what:<12} {}", text(&drill[key]));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_says_why_it_does_not_run() {
        let pod = |status: Value| json!({"metadata": {"name": "p", "namespace": "n"}, "status": status});
        let gate = pod(
            json!({"phase": "Pending", "initContainerStatuses": [{"name": "gate", "state": {"running": {}}}],
            "containerStatuses": [{"ready": false, "restartCount": 2, "state": {"waiting": {"reason": "PodInitializing"}}}]}),
        );
        let pull = pod(
            json!({"phase": "Pending", "containerStatuses": [{"ready": false, "state": {"waiting": {"reason": "ImagePullBackOff"}}}]}),
        );
        let seen = pods(&[gate, pull, pod(json!({"phase": "Running"}))]);
        let states: Vec<&str> = seen.iter().filter_map(|pod| pod["state"].as_str()).collect();
        assert_eq!(states, ["Init: gate", "ImagePullBackOff", "Running"]);
        assert_eq!(seen[0]["restarts"], 2);
        assert_eq!(seen[0]["ready"], "0/1");
    }

    #[test]
    fn the_page_shows_regions_pods_and_the_fence() {
        let page = page(
            &json!({"clusters": [{"slot": 0, "name": "camunda-zero", "power": "Up", "pods": [{"name": "broker", "restarts": 0, "says": "leader 1"}]}],
            "firewalls": [{"name": "c8-fence", "direction": "INGRESS", "priority": 0, "denied": []}], "gcp": "http://cloud"}),
        );
        assert!(page.contains("0 camunda-zero") && page.contains("broker") && page.contains("deny  INGRESS"));
        assert!(page.contains("http://cloud") && page.contains("leader 1"));
        assert!(page.contains("fence        c8-fence"));
    }
}
