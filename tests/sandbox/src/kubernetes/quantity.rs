//! Quantities in the canonical form in which an API server stores them: `1000m` becomes `1`, `0.5` becomes `500m`, `1024Mi` becomes `1Gi`.

/// The canonical form, or `None` if it is no quantity.
pub fn canonical(text: &str) -> Option<String> {
    let text = text.trim();
    let split = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    let negative = number.starts_with('-');
    let digits = number.trim_start_matches(['+', '-']);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if (whole.is_empty() && fraction.is_empty()) || !(whole.chars().chain(fraction.chars())).all(|c| c.is_ascii_digit())
    {
        return None;
    }
    let sign = if negative { "-" } else { "" };
    if let Some(power) = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].iter().position(|s| *s == suffix && !s.is_empty()) {
        let unit = 1024_u128.checked_pow(u32::try_from(power).ok()?)?;
        let mut value = scaled(whole, fraction, unit)?;
        let mut step = 0;
        while value != 0 && value % 1024 == 0 && step < 6 {
            value /= 1024;
            step += 1;
        }
        return Some(format!("{sign}{value}{}", ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][step]));
    }
    // in thousandths of thousandths, which is all that is needed of n, u, m
    let exponent: i32 = match suffix {
        "n" => -9,
        "u" => -6,
        "m" => -3,
        "" => 0,
        "k" => 3,
        "M" => 6,
        "G" => 9,
        "T" => 12,
        "P" => 15,
        "E" => 18,
        other => other.strip_prefix(['e', 'E'])?.parse().ok()?,
    };
    let nano = 10_u128.checked_pow(u32::try_from(exponent + 9).ok()?)?;
    let mut value = scaled(whole, fraction, nano)?;
    if value == 0 {
        return Some("0".to_owned());
    }
    let mut step = 0;
    while value % 1000 == 0 && step < 9 {
        value /= 1000;
        step += 1;
    }
    Some(format!("{sign}{value}{}", ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"][step]))
}

/// `whole.fraction × unit`, rounded up.
fn scaled(whole: &str, fraction: &str, unit: u128) -> Option<u128> {
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut value = whole.checked_mul(unit)?;
    if !fraction.is_empty() {
        let part: u128 = fraction.parse().ok()?;
        let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        value = value.checked_add(part.checked_mul(unit)?.div_ceil(scale))?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn table() {
        for (text, expected) in [
            ("1000m", Some("1")),
            ("0.5", Some("500m")),
            ("1.5Gi", Some("1536Mi")),
            ("1024Mi", Some("1Gi")),
            ("1000Mi", Some("1000Mi")),
            ("2", Some("2")),
            ("1000000", Some("1M")),
            ("0", Some("0")),
            ("1e3", Some("1k")),
            ("8Gib", None),
            ("", None),
        ] {
            assert_eq!(canonical(text).as_deref(), expected, "{text}");
        }
    }
}
