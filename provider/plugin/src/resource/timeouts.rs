//! The `timeouts` block: how long an operation may take, in the notation of Go (`30m`, `1h30m`, `1.5h`), which Terraform's users know.

use std::{fmt, time::Duration};

use crate::{Diagnostics, Path, Resource, Value};

/// The name of the block.
pub(crate) const BLOCK: &str = "timeouts";

/// What a resource can be asked to do within a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// [`Resource::create`]
    Create,
    /// [`Resource::read`]
    Read,
    /// [`Resource::update`]
    Update,
    /// [`Resource::delete`]
    Delete,
}

impl Operation {
    const ALL: [Self; 4] = [Self::Create, Self::Read, Self::Update, Self::Delete];

    /// The attribute in the `timeouts` block.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    fn default_of<R: Resource>(self) -> Duration {
        match self {
            Self::Create => R::CREATE_TIMEOUT,
            Self::Read => R::READ_TIMEOUT,
            Self::Update => R::UPDATE_TIMEOUT,
            Self::Delete => R::DELETE_TIMEOUT,
        }
    }

    /// The time for this operation: from the block `timeouts` of `model`, if it has one and says so, or the resource's default.
    pub(crate) fn timeout<R: Resource>(self, model: &Value) -> Duration {
        text(model, self).and_then(|text| parse_duration(text).ok()).unwrap_or_else(|| self.default_of::<R>())
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Reports every time in the `timeouts` block of `model` that isn't one.
pub(crate) fn validate(model: &Value, diags: &mut Diagnostics) {
    for operation in Operation::ALL {
        let Some(text) = text(model, operation) else {
            continue;
        };
        if let Err(error) = parse_duration(text) {
            diags.error(
                Path::root().attr(BLOCK).attr(operation.name()),
                "Invalid timeout",
                format!("`{text}` isn't a duration: {error}. Write for example `30m` or `1h30m`."),
            );
        }
    }
}

fn text(model: &Value, operation: Operation) -> Option<&str> {
    let Value::Object(attributes) = model else {
        return None;
    };
    let Value::Object(timeouts) = attributes.get(BLOCK)? else {
        return None;
    };
    match timeouts.get(operation.name())? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// Why a text isn't a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// The text is empty, or a number in it is missing.
    #[error("a number is missing")]
    Number,
    /// A number has no unit, or one that doesn't exist.
    #[error("a number needs one of the units `h`, `m`, `s`, `ms`, `us`, `ns`")]
    Unit,
    /// Zero, negative, or more than a hundred years.
    #[error("it must be more than zero and less than a hundred years")]
    Range,
}

const LONGEST: f64 = 100.0 * 365.0 * 86_400.0;

/// Reads a duration as Go writes it: `90s`, `1h30m`, `1.5h`.
///
/// # Errors
/// If it isn't one, or isn't more than zero.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    if text.starts_with('-') {
        return Err(DurationError::Range);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Err(DurationError::Range);
    }
    let mut seconds = 0.0;
    loop {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        // Rust reads `.5` and `5.` as Go does; what is left are no digit at all and two points
        let number: f64 = number.parse().map_err(|_| DurationError::Number)?;
        let letters = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        seconds += number * unit_seconds(unit).ok_or(DurationError::Unit)?;
        if tail.is_empty() {
            break;
        }
        rest = tail;
    }
    if !(0.0..LONGEST).contains(&seconds) {
        return Err(DurationError::Range);
    }
    // less than a nanosecond is nothing
    Some(Duration::from_secs_f64(seconds)).filter(|duration| !duration.is_zero()).ok_or(DurationError::Range)
}

fn unit_seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "h" => 3600.0,
        "m" => 60.0,
        "s" => 1.0,
        "ms" => 1e-3,
        "us" | "µs" | "μs" => 1e-6,
        "ns" => 1e-9,
        _ => return None,
    })
}

/// Writes a duration for people: `1h30m`, `90s` as `1m30s`, and milliseconds only below a second.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds == 0 {
        return format!("{}ms", duration.as_millis());
    }
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    parts.iter().filter(|(amount, _)| *amount > 0).map(|(amount, unit)| format!("{amount}{unit}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn durations_of_go() {
        for (text, millis) in [
            ("90s", 90_000),
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            (".5s", 500),
            ("+2m", 120_000),
            ("1m500ms", 60_500),
            ("2000us", 2),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration() {
        for (text, error) in [
            ("", DurationError::Number),
            ("m", DurationError::Number),
            ("1.2.3s", DurationError::Number),
            ("30", DurationError::Unit),
            ("30 m", DurationError::Unit),
            ("1d", DurationError::Unit),
            ("0", DurationError::Range),
            ("0s", DurationError::Range),
            (".1ns", DurationError::Range),
            ("-5m", DurationError::Range),
            ("9999999h", DurationError::Range),
        ] {
            assert_eq!(parse_duration(text), Err(error), "{text}");
        }
    }

    #[test]
    fn written_for_people() {
        for (millis, text) in [(250, "250ms"), (90_000, "1m30s"), (5_400_000, "1h30m"), (3_600_000, "1h")] {
            assert_eq!(format_duration(Duration::from_millis(millis)), text);
        }
    }
}
