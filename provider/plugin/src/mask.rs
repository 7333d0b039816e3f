//! What no log line shows.
//!
//! A [`Secret`](crate::Secret) that comes from Terraform or goes to it is masked from then on, wherever its text turns up: in a
//! message, in a field, in the answer of a server that somebody logs whole. For secrets that take another way there is
//! [`value`], and [`field`] for what is always one by its name.
//!
//! ```
//! use terraform_plugin::mask;
//!
//! mask::value("correct horse battery staple");
//! mask::field("authorization");
//! ```
//!
//! Logs are masked, and reports of panics. Diagnostics and state are not: they show what the provider puts there.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    sync::{PoisonError, RwLock},
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};

use crate::Value;

/// What stands for a secret wherever something is printed; the words that Terraform itself uses.
pub(crate) const REDACTED: &str = "(sensitive value)";

/// Shorter ones are parts of too many words: they are masked only where nothing else is.
const SHORTEST_PART: usize = 4;

/// A line of a longer secret (a key in PEM) that is a secret by itself.
const SHORTEST_LINE: usize = 16;

static MASKS: RwLock<Masks> = RwLock::new(Masks::NONE);

struct Masks {
    /// Longest first: one secret may be a part of another.
    parts: Vec<String>,
    wholes: BTreeSet<String>,
    fields: BTreeSet<String>,
}

/// Masks a text, and the other forms in which it may be written: escaped, as Base64, in a URL.
pub fn value(text: &str) {
    let known = MASKS.read().unwrap_or_else(PoisonError::into_inner).knows(text);
    if !known {
        MASKS.write().unwrap_or_else(PoisonError::into_inner).add(text);
    }
}

/// Masks all fields of this name, whatever they hold.
pub fn field(name: &str) {
    MASKS.write().unwrap_or_else(PoisonError::into_inner).fields.insert(name.to_owned());
}

/// Masks every text and number in a value.
pub(crate) fn all_in(secret: &Value) {
    match secret {
        Value::String(text) => value(text),
        Value::Number(number) => value(&number.to_string()),
        Value::List(values) | Value::Set(values) | Value::Tuple(values) => values.iter().for_each(all_in),
        Value::Map(values) | Value::Object(values) => values.values().for_each(all_in),
        Value::Dynamic(_, inner) => all_in(inner),
        Value::Null | Value::Unknown(_) | Value::Bool(_) => {}
    }
}

/// A text without secrets.
pub(crate) fn masked(text: &str) -> Cow<'_, str> {
    MASKS.read().unwrap_or_else(PoisonError::into_inner).masked(text)
}

/// A field of a log line without secrets.
pub(crate) fn masked_field(name: &str, value: serde_json::Value) -> serde_json::Value {
    let masks = MASKS.read().unwrap_or_else(PoisonError::into_inner);
    if masks.fields.contains(name) {
        return REDACTED.into();
    }
    let text = match &value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Number(number) => number.to_string(),
        _ => return value,
    };
    match masks.masked(&text) {
        Cow::Borrowed(_) => value,
        Cow::Owned(masked) => masked.into(),
    }
}

impl Masks {
    const NONE: Self = Self { parts: Vec::new(), wholes: BTreeSet::new(), fields: BTreeSet::new() };

    fn knows(&self, text: &str) -> bool {
        text.is_empty() || self.wholes.contains(text)
    }

    fn add(&mut self, text: &str) {
        if text.is_empty() || !self.wholes.insert(text.to_owned()) || text.chars().count() < SHORTEST_PART {
            return;
        }
        let lines = text.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_LINE).map(str::to_owned);
        let mut forms: Vec<_> = forms(text).into_iter().chain(lines).collect();
        forms.retain(|form| !self.parts.contains(form));
        self.parts.append(&mut forms);
        self.parts.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        self.parts.dedup();
    }

    fn masked<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.wholes.contains(text) {
            return Cow::Owned(REDACTED.to_owned());
        }
        self.parts.iter().fold(Cow::Borrowed(text), |text, part| {
            if text.contains(part.as_str()) { Cow::Owned(text.replace(part.as_str(), REDACTED)) } else { text }
        })
    }
}

/// The ways to write a text.
fn forms(text: &str) -> Vec<String> {
    let json = serde_json::Value::from(text).to_string();
    let debug = format!("{text:?}");
    let within = |quoted: &str| quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned();
    // without padding, it is found in what has some, too
    let base64 = [STANDARD_NO_PAD.encode(text), URL_SAFE_NO_PAD.encode(text)];
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let url = text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") });
    let mut forms = vec![text.to_owned(), within(&json), within(&debug), url.collect()];
    forms.extend(base64);
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(secrets: &[&str]) -> Masks {
        let mut masks = Masks::NONE;
        secrets.iter().for_each(|secret| masks.add(secret));
        masks
    }

    #[test]
    fn a_secret_is_masked_in_every_form() {
        let secret = "qa\"zz wörd\n";
        let masks = of(&[secret]);
        let encoded = base64::engine::general_purpose::STANDARD.encode(secret);
        for text in [
            format!("login with {secret} failed"),
            format!("{:?}", vec![secret]),
            serde_json::json!({ "password": secret }).to_string(),
            format!("Basic {encoded}"),
            "https://me:qa%22zz%20w%C3%B6rd%0A@host".to_owned(),
        ] {
            let masked = masks.masked(&text);
            let left = ["zz", "%C3", &encoded[..4]].iter().any(|part| masked.contains(part));
            assert!(masked.contains(REDACTED) && !left, "{masked}");
        }
        assert_eq!(masks.masked("nothing of it"), "nothing of it");
    }

    #[test]
    fn longer_secrets_first_and_short_ones_only_alone() {
        let masks = of(&["abcd", "abcdefgh", "x", ""]);
        assert_eq!(masks.masked("abcdefgh"), REDACTED);
        assert_eq!(masks.masked("1 abcdefgh 2 abcd 3"), format!("1 {REDACTED} 2 {REDACTED} 3"));
        assert_eq!(masks.masked("x"), REDACTED);
        assert_eq!(masks.masked("exit"), "exit");
        assert_eq!(masks.masked(""), "");
    }

    #[test]
    fn a_line_of_a_key_is_a_secret_too() {
        let masks = of(&["-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nshort\n-----END KEY-----\n"]);
        assert_eq!(masks.masked("read MIIEvQIBADANBgkqhkiG9w0B"), format!("read {REDACTED}"));
        assert_eq!(masks.masked("a short one"), "a short one");
    }

    #[test]
    fn everything_secret_in_a_value_is_masked() {
        all_in(&Value::map([("a", Value::list(["mask-list-7341".into(), 734_199_201.into()]))]));
        assert_eq!(masked("got mask-list-7341 and 734199201"), format!("got {REDACTED} and {REDACTED}"));
        assert_eq!(masked_field("n", 734_199_201.into()), REDACTED);
        field("x-mask-test");
        assert_eq!(masked_field("x-mask-test", true.into()), REDACTED);
        assert_eq!(masked_field("other", true.into()), true);
    }
}
