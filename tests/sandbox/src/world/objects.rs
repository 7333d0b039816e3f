//! Small things about Kubernetes objects that the world needs.

use std::time::Duration;

use crate::kubernetes::Pod;

/// A version 4 UUID.
pub fn new_uid() -> String {
    let bits = (rand::random::<u128>() & !(0xf000 << 64) & !(0xc000 << 48)) | (0x4000 << 64) | (0x8000 << 48);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// The tag of an image: `camunda/zeebe:8.7.2` has `8.7.2`.
pub fn tag(image: &str) -> String {
    let image = image.split('@').next().unwrap_or(image);
    match image.rsplit_once(':') {
        Some((_, tag)) if !tag.contains('/') => tag.to_owned(),
        _ => "latest".to_owned(),
    }
}

/// A duration as Camunda's configuration writes it: `10s`, `500ms`, `2m`, `PT10S`.
pub fn duration(text: &str) -> Option<Duration> {
    let lower = text.trim().to_ascii_lowercase();
    let plain = lower.strip_prefix("pt").unwrap_or(&lower);
    let split = plain.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let number: f64 = plain[..split].parse().ok()?;
    let seconds = match &plain[split..] {
        "ms" => number / 1000.0,
        "s" => number,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

/// Names of the ConfigMaps or Secrets (`kind` = `configMap` or `secret`) that a pod mounts.
pub fn mounted<'a>(pod: &'a Pod, kind: &str) -> Vec<&'a str> {
    let key = if kind == "secret" { "secretName" } else { "name" };
    pod.object()["spec"]["volumes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|volume| volume[kind][key].as_str())
        .collect()
}

/// The namespaces that contact points name, sorted and joined by commas.
pub fn namespaces_of(contact_points: &str, own: &str) -> String {
    let mut found: Vec<&str> = contact_points
        .split(',')
        .filter_map(|point| {
            let host = point.trim().split(':').next()?.trim_end_matches('.');
            let labels: Vec<&str> = host.split('.').collect();
            let at = labels.iter().position(|label| *label == "svc")?;
            labels.get(at.checked_sub(1)?).copied()
        })
        .collect();
    if found.is_empty() {
        found.push(own);
    }
    found.sort_unstable();
    found.dedup();
    found.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_parsers() {
        assert_eq!(tag("docker.elastic.co/elasticsearch/elasticsearch:8.15.0"), "8.15.0");
        assert_eq!(tag("localhost:5000/zeebe"), "latest");
        assert_eq!(duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(duration("PT10S"), Some(Duration::from_secs(10)));
        assert_eq!(duration("soon"), None);
        let points = "camunda-zeebe-0.camunda-zeebe.b.svc.cluster.local:26502, camunda-zeebe-0.camunda-zeebe.a.svc.cluster.local.:26502";
        assert_eq!(namespaces_of(points, "x"), "a,b");
        assert_eq!(namespaces_of("camunda-zeebe:26502", "x"), "x");
    }
}
