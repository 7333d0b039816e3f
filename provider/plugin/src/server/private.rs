//! What a provider keeps beside the state.
//!
//! Terraform stores these bytes and hands them back; it never looks inside. They go round: read → plan → apply → read. Every
//! answer has to carry them on, or they are lost.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// The version of the layout, so that a later one can tell.
const VERSION: u64 = 1;

/// `{"v":1,"observation":…,"intent":…}`; a missing key is none.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Private {
    observation: Option<Value>,
    intent: Option<Value>,
}

impl Private {
    /// What can't be read (another layout, damaged) is as good as nothing: the next read fills it again.
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        let Ok(Value::Object(mut fields)) = serde_json::from_slice(bytes) else {
            return Self::default();
        };
        if fields.get("v").and_then(Value::as_u64) != Some(VERSION) {
            return Self::default();
        }
        Self { observation: fields.remove("observation"), intent: fields.remove("intent") }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut fields = Map::new();
        fields.insert("v".to_owned(), VERSION.into());
        for (name, value) in [("observation", &self.observation), ("intent", &self.intent)] {
            if let Some(value) = value {
                fields.insert(name.to_owned(), value.clone());
            }
        }
        Value::Object(fields).to_string().into_bytes()
    }

    pub(crate) fn observation<T: DeserializeOwned>(&self) -> Option<T> {
        read(self.observation.as_ref(), "observation")
    }

    pub(crate) fn intent<T: DeserializeOwned>(&self) -> Option<T> {
        read(self.intent.as_ref(), "intent")
    }

    pub(crate) fn with_observation<T: Serialize>(self, observation: &T) -> Result<Self, serde_json::Error> {
        Ok(Self { observation: Some(serde_json::to_value(observation)?), ..self })
    }

    pub(crate) fn with_intent<T: Serialize>(self, intent: Option<&T>) -> Result<Self, serde_json::Error> {
        Ok(Self { intent: intent.map(serde_json::to_value).transpose()?, ..self })
    }
}

fn read<T: DeserializeOwned>(value: Option<&Value>, what: &str) -> Option<T> {
    match T::deserialize(value?) {
        Ok(read) => Some(read),
        Err(error) => {
            tracing::warn!(%error, what, "dropped private state of another version of the provider");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn goes_round() {
        let private = Private::default().with_observation(&vec![1, 2]).unwrap().with_intent(Some(&"go")).unwrap();
        let bytes = private.encode();
        assert_eq!(String::from_utf8(bytes.clone()).unwrap(), r#"{"intent":"go","observation":[1,2],"v":1}"#);
        let back = Private::decode(&bytes);
        assert_eq!(back.observation::<Vec<i64>>(), Some(vec![1, 2]));
        assert_eq!(back.intent::<String>(), Some("go".to_owned()));
    }

    #[test]
    fn nothing_and_unit_differ() {
        assert_eq!(Private::default().observation::<()>(), None);
        let unit = Private::default().with_observation(&()).unwrap();
        assert_eq!(Private::decode(&unit.encode()).observation::<()>(), Some(()));
    }

    #[test]
    fn what_is_of_another_time_is_nothing() {
        for bytes in [&b""[..], b"null", b"{", br#"{"v":2,"observation":1}"#, br#"{"observation":1}"#] {
            assert_eq!(Private::decode(bytes), Private::default());
        }
        let text = Private::default().with_observation(&"text").unwrap();
        assert_eq!(text.observation::<i64>(), None);
    }
}
