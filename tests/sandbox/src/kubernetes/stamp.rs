//! Times, UIDs and random suffixes as Kubernetes writes them.

use std::time::{SystemTime, UNIX_EPOCH};

/// The present as RFC 3339 with whole seconds.
pub fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    rfc3339(seconds)
}

/// Seconds since 1970 as RFC 3339 (days to civil after Howard Hinnant).
pub fn rfc3339(seconds: u64) -> String {
    let days = i64::try_from(seconds / 86_400).unwrap_or(0);
    let rest = seconds % 86_400;
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// A version 4 UUID.
pub fn uid() -> String {
    let bits = (rand::random::<u128>() & !(0xf000 << 64) & !(0xc000 << 48)) | (0x4000 << 64) | (0x8000 << 48);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

const SAFE: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// Five characters from the alphabet that Kubernetes uses for generated names.
pub fn suffix() -> String {
    (0..5).map(|_| char::from(SAFE[usize::from(rand::random::<u8>()) % SAFE.len()])).collect()
}

/// A stable hash of a template in the same alphabet, as in pod-template-hash.
pub fn hash(value: &serde_json::Value) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(super::views::canonical(value).as_bytes());
    digest.iter().take(10).map(|byte| char::from(SAFE[usize::from(*byte) % SAFE.len()])).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn civil() {
        assert_eq!(super::rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(super::rfc3339(1_709_210_096), "2024-02-29T12:34:56Z");
        let uid = super::uid();
        assert_eq!((uid.len(), &uid[14..15]), (36, "4"));
    }
}
