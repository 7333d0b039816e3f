//! The texts that make a cluster's DNS forward a domain: kube-dns's `stubDomains` and CoreDNS's `Corefile`.
//!
//! Pure. Both hold other people's entries; only our own key, or our own marked block, is ever touched (dual-region.md
//! 1.4).

use std::collections::BTreeMap;

/// `stubDomains` is not what kube-dns expects: a JSON object of lists of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`stubDomains` is not a JSON object of address lists: {0}")]
pub struct NotStubDomains(String);

type StubDomains = BTreeMap<String, serde_json::Value>;

fn parse(text: Option<&str>) -> Result<StubDomains, NotStubDomains> {
    match text.map(str::trim) {
        None | Some("") => Ok(BTreeMap::new()),
        Some(text) => serde_json::from_str(text).map_err(|error| NotStubDomains(error.to_string())),
    }
}

fn render(domains: &StubDomains) -> Result<String, NotStubDomains> {
    serde_json::to_string(domains).map_err(|error| NotStubDomains(error.to_string()))
}

/// The addresses that `domain` is forwarded to.
///
/// # Errors
/// The text is not valid.
pub fn addresses(text: Option<&str>, domain: &str) -> Result<Vec<String>, NotStubDomains> {
    let domains = parse(text)?;
    let list = domains.get(domain).and_then(serde_json::Value::as_array);
    Ok(list.into_iter().flatten().filter_map(|value| value.as_str().map(str::to_owned)).collect())
}

/// The text with `domain` forwarded to `addresses`; `None` if it says so already.
///
/// # Errors
/// The text is not valid: it is somebody's, so it is not replaced.
pub fn with(text: Option<&str>, domain: &str, addresses: &[String]) -> Result<Option<String>, NotStubDomains> {
    let mut domains = parse(text)?;
    let wanted = serde_json::Value::from(addresses.to_vec());
    if domains.get(domain) == Some(&wanted) {
        return Ok(None);
    }
    domains.insert(domain.to_owned(), wanted);
    render(&domains).map(Some)
}

/// The text without `domain`; `None` if it does not hold it.
///
/// # Errors
/// The text is not valid.
pub fn without(text: Option<&str>, domain: &str) -> Result<Option<String>, NotStubDomains> {
    let mut domains = parse(text)?;
    if domains.remove(domain).is_none() {
        return Ok(None);
    }
    render(&domains).map(Some)
}

/// The marked block of a `Corefile`.
pub mod corefile {
    fn markers(domain: &str) -> (String, String) {
        (format!("# c8-dns begin {domain}\n"), format!("# c8-dns end {domain}\n"))
    }

    fn block(domain: &str, addresses: &[String]) -> String {
        let (begin, end) = markers(domain);
        let forward = addresses.join(" ");
        format!("{begin}{domain}:53 {{\n    errors\n    cache 30\n    forward . {forward}\n}}\n{end}")
    }

    /// Where our block is, if it is there as a whole.
    fn find(text: &str, domain: &str) -> Option<std::ops::Range<usize>> {
        let (begin, end) = markers(domain);
        let from = text.find(&begin)?;
        let to = text.get(from..)?.find(&end)? + from + end.len();
        Some(from..to)
    }

    /// The addresses that `domain` is forwarded to.
    #[must_use]
    pub fn addresses(text: &str, domain: &str) -> Vec<String> {
        let block = find(text, domain).and_then(|range| text.get(range)).unwrap_or_default();
        let forward = block.lines().find_map(|line| line.trim().strip_prefix("forward . "));
        forward.into_iter().flat_map(str::split_whitespace).map(str::to_owned).collect()
    }

    /// The text with `domain` forwarded to `addresses`; `None` if it says so already.
    #[must_use]
    pub fn with(text: &str, domain: &str, addresses: &[String]) -> Option<String> {
        let wanted = block(domain, addresses);
        let mut changed = text.to_owned();
        match find(text, domain) {
            Some(range) if text.get(range.clone()) == Some(wanted.as_str()) => return None,
            Some(range) => changed.replace_range(range, &wanted),
            None => {
                if !changed.is_empty() && !changed.ends_with('\n') {
                    changed.push('\n');
                }
                changed.push_str(&wanted);
            }
        }
        Some(changed)
    }

    /// The text without our block; `None` if it does not hold it.
    #[must_use]
    pub fn without(text: &str, domain: &str) -> Option<String> {
        let mut changed = text.to_owned();
        changed.replace_range(find(text, domain)?, "");
        Some(changed)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use rstest::rstest;

    fn ips(list: &[&str]) -> Vec<String> {
        list.iter().map(|ip| (*ip).to_owned()).collect()
    }

    #[rstest]
    #[case::absent(None, Some(r#"{"b.svc.cluster.local":["10.0.0.1"]}"#))]
    #[case::empty(Some(" "), Some(r#"{"b.svc.cluster.local":["10.0.0.1"]}"#))]
    #[case::others_stay(
        Some(r#"{"corp":["1.1.1.1"]}"#),
        Some(r#"{"b.svc.cluster.local":["10.0.0.1"],"corp":["1.1.1.1"]}"#)
    )]
    #[case::moved(Some(r#"{"b.svc.cluster.local":["9.9.9.9"]}"#), Some(r#"{"b.svc.cluster.local":["10.0.0.1"]}"#))]
    #[case::there(Some(r#"{ "b.svc.cluster.local" : ["10.0.0.1"] }"#), None)]
    fn our_key_is_merged(#[case] text: Option<&str>, #[case] expected: Option<&str>) {
        let merged = with(text, "b.svc.cluster.local", &ips(&["10.0.0.1"])).unwrap();
        assert_eq!(merged.as_deref(), expected);
        if let Some(merged) = merged {
            assert_eq!(addresses(Some(&merged), "b.svc.cluster.local").unwrap(), ["10.0.0.1"]);
        }
    }

    #[rstest]
    #[case::absent(None, None)]
    #[case::only_ours(Some(r#"{"b":["1.1.1.1"]}"#), Some("{}"))]
    #[case::others_stay(Some(r#"{"b":["1.1.1.1"],"corp":["2.2.2.2"]}"#), Some(r#"{"corp":["2.2.2.2"]}"#))]
    #[case::not_ours(Some(r#"{"corp":["2.2.2.2"]}"#), None)]
    fn only_our_key_is_removed(#[case] text: Option<&str>, #[case] expected: Option<&str>) {
        assert_eq!(without(text, "b").unwrap().as_deref(), expected);
    }

    #[test]
    fn what_is_not_understood_is_not_replaced() {
        assert!(with(Some("not json"), "b", &ips(&["1.1.1.1"])).is_err());
        assert!(without(Some("[]"), "b").is_err());
    }

    #[test]
    fn our_block_of_a_corefile_comes_moves_and_goes() {
        let theirs = ".:53 {\n    forward . /etc/resolv.conf\n}";
        let first = corefile::with(theirs, "b.svc.cluster.local", &ips(&["10.0.0.1"])).unwrap();
        assert!(first.starts_with(theirs));
        assert_eq!(corefile::addresses(&first, "b.svc.cluster.local"), ["10.0.0.1"]);
        assert_eq!(corefile::with(&first, "b.svc.cluster.local", &ips(&["10.0.0.1"])), None);
        let moved = corefile::with(&first, "b.svc.cluster.local", &ips(&["10.0.0.2", "10.0.0.3"])).unwrap();
        assert_eq!(corefile::addresses(&moved, "b.svc.cluster.local"), ["10.0.0.2", "10.0.0.3"]);
        assert_eq!(corefile::without(&moved, "b.svc.cluster.local").unwrap().trim_end(), theirs);
        assert_eq!(corefile::without(theirs, "b.svc.cluster.local"), None);
    }
}
