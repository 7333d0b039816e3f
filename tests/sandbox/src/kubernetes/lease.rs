//! Leases: their times and numbers.

use serde_json::Value;

use super::error::Finding;
use super::views::number;

/// What the decoder refuses: a time without exactly six decimals (`metav1.MicroTime`).
pub fn decodes(object: &Value) -> Result<(), String> {
    for field in ["acquireTime", "renewTime"] {
        let Some(text) = object["spec"][field].as_str() else { continue };
        let day = |at: usize| text.as_bytes().get(at) == Some(&b'-');
        if text.len() < 19 || !day(4) || !day(7) || !text[..4].bytes().all(|b| b.is_ascii_digit()) {
            return Err(format!(
                "parsing time {text:?} as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse {text:?} as \"2006\""
            ));
        }
        let rest = &text[19..];
        let decimals = rest.strip_prefix('.').map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
        if decimals != 6 {
            return Err(format!(
                "parsing time {text:?} as \"2006-01-02T15:04:05.000000Z07:00\": cannot parse {rest:?} as \".000000\""
            ));
        }
    }
    Ok(())
}

/// What validation refuses.
pub fn check(found: &mut Vec<Finding>, object: &Value) {
    let mut wrong = |field: &str, value: i64, why: &str| {
        found.push(("FieldValueInvalid", format!("spec.{field}"), format!("Invalid value: {value}: {why}")));
    };
    if let Some(seconds) = number(object, "/spec/leaseDurationSeconds").filter(|n| *n <= 0) {
        wrong("leaseDurationSeconds", seconds, "must be greater than 0");
    }
    if let Some(count) = number(object, "/spec/leaseTransitions").filter(|n| *n < 0) {
        wrong("leaseTransitions", count, "must be greater than or equal to 0");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_have_six_decimals() {
        for (time, good) in [
            ("2026-01-01T00:00:00.123456Z", true),
            ("2026-01-01T00:00:00.123456+01:00", true),
            ("2026-01-01T00:00:00Z", false),
            ("2026-01-01T00:00:00.123Z", false),
            ("yesterday", false),
        ] {
            assert_eq!(decodes(&json!({"spec": {"renewTime": time}})).is_ok(), good, "{time}");
        }
    }

    #[test]
    fn numbers() {
        let mut found = Vec::new();
        check(&mut found, &json!({"spec": {"leaseDurationSeconds": 0, "leaseTransitions": -1}}));
        assert_eq!(found.len(), 2);
    }
}
