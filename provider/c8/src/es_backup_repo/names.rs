//! Names that `c8_es_backup_repo` derives, and the rules for those that the user chooses: pure.

use c8_release::names::BACKUP_KEY_SECRET;
use sha2::{Digest, Sha256};

use crate::installation::is_dns_label;

/// Label of the bucket that says whose it is.
pub const OWNER_LABEL: &str = c8_release::names::OWNER_LABEL;

/// Name of the Secret in each region.
pub const SECRET: &str = BACKUP_KEY_SECRET;

/// Annotation of the search store's pods: id of the key that was put into the Secret last.
pub const KEY_ANNOTATION: &str = "c8-backup-key";

/// Account id of an installation's service account, if the user does not choose one: 6 to 30 characters.
#[must_use]
pub fn service_account_id(group: &str) -> String {
    const PREFIX: &str = "c8-es-";
    const MAX: usize = 30;
    if PREFIX.len() + group.len() <= MAX {
        return format!("{PREFIX}{group}");
    }
    let digest: String = Sha256::digest(group.as_bytes()).iter().take(3).map(|byte| format!("{byte:02x}")).collect();
    let kept: String = group.chars().take(MAX - PREFIX.len() - digest.len() - 1).collect();
    format!("{PREFIX}{}-{digest}", kept.trim_end_matches('-'))
}

/// Where a cluster writes in the bucket: another cluster never writes over it (design.md 5.5).
#[must_use]
pub fn base_path(group: &str, cluster_uid: &str) -> String {
    format!("{group}/{cluster_uid}")
}

/// Name under which a region reads its peer's snapshots.
#[must_use]
pub fn peer_repository(repository: &str) -> String {
    format!("{repository}_peer")
}

/// What is wrong with the name of a bucket, if anything.
#[must_use]
pub fn bucket_fault(name: &str) -> Option<&'static str> {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    let max = if name.contains('.') { 222 } else { 63 };
    if bytes.len() < 3 || bytes.len() > max || name.split('.').any(|part| part.is_empty() || part.len() > 63) {
        return Some("it must have 3 to 63 characters");
    }
    if !bytes.iter().all(|byte| alphanumeric(*byte) || b"-_.".contains(byte)) {
        return Some("only lower-case letters, digits, hyphens, underscores and dots are allowed");
    }
    if !bytes.first().is_some_and(|byte| alphanumeric(*byte)) || !bytes.last().is_some_and(|byte| alphanumeric(*byte)) {
        return Some("it must begin and end with a letter or digit");
    }
    if name.parse::<std::net::Ipv4Addr>().is_ok() {
        return Some("it must not be an IP address");
    }
    if name.starts_with("goog") || name.contains("google") {
        return Some("it must not begin with `goog` or contain `google`");
    }
    None
}

/// What is wrong with the name of a snapshot repository, if anything.
#[must_use]
pub fn repository_fault(name: &str) -> Option<&'static str> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-';
    if name.is_empty() || name.len() > 100 {
        return Some("it must have 1 to 100 characters");
    }
    if !name.bytes().all(allowed) {
        return Some("only lower-case letters, digits, hyphens and underscores are allowed");
    }
    if name.starts_with(['_', '-']) {
        return Some("it must begin with a letter or digit");
    }
    None
}

/// What is wrong with an account id, if anything.
#[must_use]
pub fn account_fault(id: &str) -> Option<&'static str> {
    if !(6..=30).contains(&id.len()) {
        return Some("it must have 6 to 30 characters");
    }
    if !is_dns_label(id) || !id.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Some(
            "only lower-case letters, digits and hyphens are allowed, beginning with a letter and ending with a letter or digit",
        );
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("my-camunda-backup", true)]
    #[case("a.b_c-d", true)]
    #[case("ab", false)]
    #[case("Backup", false)]
    #[case("-backup", false)]
    #[case("backup-", false)]
    #[case("10.0.0.1", false)]
    #[case("goog-backup", false)]
    #[case("my-google-backup", false)]
    #[case("a..b", false)]
    fn bucket_names(#[case] name: &str, #[case] good: bool) {
        assert_eq!(bucket_fault(name).is_none(), good, "{:?}", bucket_fault(name));
    }

    #[rstest]
    #[case("camunda_backup", true)]
    #[case("", false)]
    #[case("Camunda", false)]
    #[case("a,b", false)]
    #[case("_all", false)]
    fn repository_names(#[case] name: &str, #[case] good: bool) {
        assert_eq!(repository_fault(name).is_none(), good);
    }

    #[rstest]
    #[case("c8-es-a-b", true)]
    #[case("short", false)]
    #[case("1camunda", false)]
    #[case("camunda-", false)]
    fn account_ids(#[case] id: &str, #[case] good: bool) {
        assert_eq!(account_fault(id).is_none(), good);
    }

    #[test]
    fn derived_account_ids_are_valid_and_distinct() {
        let long = |tail: &str| service_account_id(&format!("camunda-europe-west4-camunda-{tail}"));
        for id in [service_account_id("a-b"), long("one"), long("two"), service_account_id(&"g".repeat(40))] {
            assert_eq!(account_fault(&id), None, "{id}");
        }
        assert_ne!(long("one"), long("two"));
    }
}
