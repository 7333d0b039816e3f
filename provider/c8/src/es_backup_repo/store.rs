//! The repositories in one region's search store, and its Secret with the key.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use c8_clients::{
    Interrupted, Secret, Wait,
    kubernetes::{Apply, Call, CallError, Delete, Error, Kubernetes, ObjectRef, SECRET as SECRETS},
};
use c8_release::names::{BACKUP_KEY, FIELD_MANAGER, MANAGED_BY, elasticsearch_service};
use serde_json::{Value, json};

use super::{key::Key, names};
use crate::installation::RegionAt;

const PORT: u16 = 9200;

/// Time for a new key to reach the store: the kubelet brings a changed Secret within one to two minutes.
const KEY: Duration = Duration::from_secs(5 * 60);
/// Time for a store that has just been started to answer.
const ANSWER: Duration = Duration::from_secs(3 * 60);

/// Why a region's half can't be made.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Kubernetes refused, or did not answer.
    #[error(transparent)]
    Kubernetes(#[from] Error),
    /// The search store can't be asked.
    #[error("the search store can't be asked: {0}")]
    Call(#[from] CallError),
    /// The search store refused.
    #[error("the search store refuses {what} (HTTP {status}): {message}")]
    Refused {
        /// What was asked for.
        what: String,
        /// HTTP status.
        status: u16,
        /// Its text.
        message: String,
    },
    /// Waited in vain.
    #[error("waiting for {what}: {why}{}", last.as_deref().map(|last| format!(" (last: {last})")).unwrap_or_default())]
    Waiting {
        /// For what.
        what: &'static str,
        /// Why it ended.
        why: Interrupted,
        /// What was seen last.
        last: Option<String>,
    },
}

/// A repository as it should be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Name of the repository.
    pub name: String,
    /// Bucket.
    pub bucket: String,
    /// Path in the bucket.
    pub base_path: String,
    /// The peer's.
    pub readonly: bool,
}

impl Registration {
    fn body(&self) -> Value {
        let mut settings = json!({ "bucket": self.bucket, "client": "default", "base_path": self.base_path });
        if self.readonly {
            settings["readonly"] = json!(true);
        }
        json!({ "type": "gcs", "settings": settings })
    }

    /// Whether a registered repository is this one. Elasticsearch shows all settings as text.
    fn matches(&self, found: &Value) -> bool {
        let setting = |name: &str| match &found["settings"][name] {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        found["type"] == "gcs"
            && setting("bucket") == self.bucket
            && setting("base_path") == self.base_path
            && (setting("readonly") == "true") == self.readonly
    }
}

/// One region's search store.
pub struct Store<'a> {
    kubernetes: &'a Kubernetes,
    region: &'a RegionAt,
    wait: Wait,
}

impl<'a> Store<'a> {
    /// The store of a region; every wait ends with `wait`.
    pub const fn new(kubernetes: &'a Kubernetes, region: &'a RegionAt, wait: Wait) -> Self {
        Self { kubernetes, region, wait }
    }

    fn secret(&self) -> ObjectRef {
        SECRETS.named(&self.region.namespace, names::SECRET)
    }

    /// The key that lies in the region; `None` if there is none, or none that can be read.
    ///
    /// # Errors
    /// The call fails.
    pub async fn key(&self) -> Result<Option<Key>, Error> {
        let found = self.kubernetes.find(&self.secret()).await?;
        let encoded = found.as_ref().and_then(|secret| secret["data"][BACKUP_KEY].as_str()).unwrap_or_default();
        let file = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        Ok(file.and_then(|file| Key::parse(Secret::new(file))))
    }

    /// Puts the key into the region.
    ///
    /// # Errors
    /// The call fails.
    pub async fn put_key(&self, key: &Key) -> Result<(), Error> {
        let manifest = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": names::SECRET,
                "namespace": self.region.namespace,
                "labels": { MANAGED_BY: FIELD_MANAGER },
            },
            "type": "Opaque",
            "data": { BACKUP_KEY: STANDARD.encode(key.file.expose()) },
        });
        self.kubernetes.apply(&manifest, Apply::by(FIELD_MANAGER).forced()).await.map(drop)
    }

    /// Takes our key out of the region.
    ///
    /// # Errors
    /// The call fails.
    pub async fn remove_key(&self) -> Result<(), Error> {
        let Some(found) = self.kubernetes.find(&self.secret()).await? else { return Ok(()) };
        if found["metadata"]["labels"][MANAGED_BY] != FIELD_MANAGER {
            return Ok(());
        }
        self.kubernetes.delete(&self.secret(), &Delete::default()).await.map(drop)
    }

    /// What of the registrations is not so; one sentence each.
    ///
    /// # Errors
    /// The store can't be asked.
    pub async fn differences(&self, registrations: &[Registration]) -> Result<Vec<String>, StoreError> {
        let found = self.ask("the list of repositories", Call::get("/_snapshot")).await?;
        let differs = |wanted: &&Registration| !wanted.matches(&found[wanted.name.as_str()]);
        let sentence = |wanted: &Registration| {
            format!("{}: the repository `{}` is not registered as it should be", self.region.title(), wanted.name)
        };
        Ok(registrations.iter().filter(differs).map(sentence).collect())
    }

    /// Registers what is not registered so, and verifies that all nodes can use it. Waits for the key to arrive.
    ///
    /// # Errors
    /// The store refuses, or can't use the bucket in time.
    pub async fn register(&self, registrations: &[Registration]) -> Result<(), StoreError> {
        let found = self.first_answer().await?;
        for wanted in registrations {
            if !wanted.matches(&found[wanted.name.as_str()]) {
                let path = format!("/_snapshot/{}?verify=false", wanted.name);
                let what = format!("the repository `{}`", wanted.name);
                self.ask(&what, Call::put(path).json(wanted.body())).await?;
            }
        }
        for wanted in registrations {
            self.verify(&wanted.name).await?;
        }
        Ok(())
    }

    /// No longer registers; that it is not registered is success.
    ///
    /// # Errors
    /// The store refuses.
    pub async fn unregister(&self, repository: &str) -> Result<(), StoreError> {
        match self.ask(&format!("the end of the repository `{repository}`"), Call::delete(format!("/_snapshot/{repository}"))).await {
            Ok(_) | Err(StoreError::Refused { status: 404, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A store that is just being started is waited for.
    async fn first_answer(&self) -> Result<Value, StoreError> {
        let mut last = None;
        let wait = self.wait.within(ANSWER);
        loop {
            match self.ask("the list of repositories", Call::get("/_snapshot")).await {
                Ok(found) => return Ok(found),
                Err(error @ StoreError::Refused { status: 400..=499, .. }) => return Err(error),
                Err(error) => last = Some(error.to_string()).or(last),
            }
            if let Err(why) = wait.pause(Duration::from_secs(1)).await {
                return Err(StoreError::Waiting { what: "the search store to answer", why, last });
            }
        }
    }

    /// The store reads the keystore again and proves that it reaches the bucket; until both work.
    async fn verify(&self, repository: &str) -> Result<(), StoreError> {
        let wait = self.wait.within(KEY);
        let mut pause = Duration::from_millis(300);
        loop {
            let reload = Call::post("/_nodes/reload_secure_settings").json(json!({}));
            let verify = Call::post(format!("/_snapshot/{repository}/_verify")).within(Duration::from_secs(30));
            let tried = match self.ask("to read its keystore again", reload).await {
                Ok(_) => self.ask(&format!("to verify `{repository}`"), verify).await,
                Err(error) => Err(error),
            };
            let error = match tried {
                Ok(_) => return Ok(()),
                Err(error) => error.to_string(),
            };
            tracing::debug!(region = self.region.id, repository, error, "the repository does not work yet");
            if let Err(why) = wait.pause(pause).await {
                let what = "the search store to reach the bucket with the new key";
                return Err(StoreError::Waiting { what, why, last: Some(error) });
            }
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    /// One call; HTTP 200 counts, anything else is an error with its text.
    async fn ask(&self, what: &str, call: Call) -> Result<Value, StoreError> {
        let service = elasticsearch_service(&self.region.release);
        let answer = self.kubernetes.call_service(&self.region.namespace, &service, PORT, &call).await?;
        if answer.is_success() {
            return Ok(answer.json().unwrap_or(Value::Null));
        }
        Err(StoreError::Refused { what: what.to_owned(), status: answer.status, message: reason(&answer.text()) })
    }
}

/// The reasons in an error of Elasticsearch, outermost first.
fn reason(body: &str) -> String {
    let Ok(parsed) = serde_json::from_str::<Value>(body) else { return body.to_owned() };
    let mut reasons = Vec::new();
    let mut at = &parsed["error"];
    while let Some(reason) = at["reason"].as_str() {
        reasons.push(reason);
        at = &at["caused_by"];
    }
    if reasons.is_empty() { body.to_owned() } else { reasons.join(": ") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use rstest::rstest;

    fn own() -> Registration {
        Registration { name: "camunda_backup".into(), bucket: "b".into(), base_path: "g/u0".into(), readonly: false }
    }

    #[rstest]
    #[case::as_sent(own().body(), true)]
    #[case::as_shown(json!({"type":"gcs","settings":{"bucket":"b","base_path":"g/u0","client":"default","readonly":"false"}}), true)]
    #[case::absent(Value::Null, false)]
    #[case::rebuilt(json!({"type":"gcs","settings":{"bucket":"b","base_path":"g/u1"}}), false)]
    #[case::readonly(json!({"type":"gcs","settings":{"bucket":"b","base_path":"g/u0","readonly":"true"}}), false)]
    #[case::other_type(json!({"type":"fs","settings":{"bucket":"b","base_path":"g/u0"}}), false)]
    fn registrations_are_compared(#[case] found: Value, #[case] same: bool) {
        assert_eq!(own().matches(&found), same);
    }

    #[test]
    fn the_peers_is_read_only() {
        let peer = Registration { readonly: true, ..own() };
        assert_eq!(peer.body()["settings"]["readonly"], json!(true));
        assert!(peer.matches(&json!({"type":"gcs","settings":{"bucket":"b","base_path":"g/u0","readonly":"true"}})));
    }

    #[test]
    fn reasons_are_told_to_the_end() {
        let body = r#"{"error":{"reason":"not accessible","caused_by":{"reason":"401 Unauthorized"}},"status":500}"#;
        assert_eq!(reason(body), "not accessible: 401 Unauthorized");
        assert_eq!(reason("<html>"), "<html>");
    }
}
