//! Wall-clock time as the APIs write it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970.
pub fn unix_millis() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|d| d.as_millis() as u64).unwrap_or_default()
}

/// Now as RFC 3339 with seconds, e.g. `2025-01-01T00:00:00Z`: the form of Kubernetes.
pub fn rfc3339() -> String {
    format(unix_millis() / 1000)
}

/// Seconds since 1970 as RFC 3339.
pub fn format(seconds: u64) -> String {
    let (year, month, day) = date(seconds / 86_400);
    let rest = seconds % 86_400;
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

/// The day as exporters write it into index names, e.g. `2025-01-01`.
pub fn day(millis: u64) -> String {
    let (year, month, day) = date(millis / 86_400_000);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Civil date of a day since 1970 (Howard Hinnant's algorithm).
fn date(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let era = z / 146_097;
    let doe = z % 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    #[test]
    fn known_dates() {
        assert_eq!(super::format(0), "1970-01-01T00:00:00Z");
        assert_eq!(super::format(951_827_696), "2000-02-29T12:34:56Z");
        assert_eq!(super::day(1_735_689_600_000), "2025-01-01");
    }
}
