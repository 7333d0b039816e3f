//! The repositories in one region's search store, and its Secret with the key.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use c8_clients::{
    Interrupted, Pace, Secret, Wait,
    elasticsearch::{self, Elasticsearch, GcsRepository, Repository},
    kubernetes::{Apply, Delete, Error, Kubernetes, ObjectRef, SECRET as SECRETS},
};
use c8_release::names::{BACKUP_KEY, FIELD_MANAGER, MANAGED_BY, pods_of};
use serde_json::json;

use super::{key::Key, names};
use crate::installation::RegionAt;

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
    /// The search store refused, or can't be asked.
    #[error("search store: {0}")]
    Elasticsearch(#[from] elasticsearch::Error),
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
    /// Where it is.
    pub gcs: GcsRepository,
}

impl Registration {
    /// Whether a registered repository is this one.
    fn matches(&self, found: Option<&Repository>) -> bool {
        found.is_some_and(|found| found.kind == "gcs" && found.gcs == self.gcs)
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

    /// Puts the key into the region, and has the kubelet bring it to the store at once.
    ///
    /// # Errors
    /// The Secret can't be written.
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
        self.kubernetes.apply(&manifest, Apply::by(FIELD_MANAGER).forced()).await?;
        let pods = pods_of(&self.region.release, "elasticsearch");
        let mark = (names::KEY_ANNOTATION, key.id.as_str());
        self.kubernetes.hurry_volumes(&self.region.namespace, &pods, mark, FIELD_MANAGER).await;
        Ok(())
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

    fn elasticsearch(&self) -> Elasticsearch {
        Elasticsearch::new(self.kubernetes.clone(), self.region.namespace.clone(), self.region.release.clone())
    }

    /// What of the registrations is not so; one sentence each.
    ///
    /// # Errors
    /// The store can't be asked.
    pub async fn differences(&self, registrations: &[Registration]) -> Result<Vec<String>, elasticsearch::Error> {
        let store = self.elasticsearch();
        let mut sentences = Vec::new();
        for wanted in registrations {
            if !wanted.matches(store.repository(&wanted.name).await?.as_ref()) {
                sentences.push(format!(
                    "{}: the repository `{}` is not registered as it should be",
                    self.region.title(),
                    wanted.name
                ));
            }
        }
        Ok(sentences)
    }

    /// Registers what is not registered so, and verifies that all nodes can use it. Waits for a store that is being
    /// started, and for the key to arrive.
    ///
    /// # Errors
    /// The store refuses, or can't use the bucket in time.
    pub async fn register(&self, registrations: &[Registration]) -> Result<(), StoreError> {
        let store = self.elasticsearch();
        self.answering(&store).await?;
        for wanted in registrations {
            if wanted.matches(store.repository(&wanted.name).await?.as_ref()) {
                continue;
            }
            store.put_repository(&wanted.name, &wanted.gcs).await?;
        }
        for wanted in registrations {
            self.verify(&store, &wanted.name).await?;
        }
        Ok(())
    }

    /// No longer registers; that it is not registered is success.
    ///
    /// # Errors
    /// The store refuses.
    pub async fn unregister(&self, repository: &str) -> Result<(), elasticsearch::Error> {
        self.elasticsearch().delete_repository(repository).await.map(drop)
    }

    async fn answering(&self, store: &Elasticsearch) -> Result<(), StoreError> {
        let wait = self.wait.within(ANSWER);
        loop {
            let last = match store.health().await {
                Ok(_) => return Ok(()),
                Err(error) => error.to_string(),
            };
            if let Err(why) = wait.pause(Duration::from_secs(1)).await {
                return Err(StoreError::Waiting { what: "the search store to answer", why, last: Some(last) });
            }
        }
    }

    /// The store reads the keystore again and proves that it reaches the bucket; until both work.
    async fn verify(&self, store: &Elasticsearch, repository: &str) -> Result<(), StoreError> {
        let wait = self.wait.within(KEY);
        let mut last = None;
        let pace = Pace::begin();
        loop {
            let tried = match wait.run(store.reload_secure_settings()).await {
                Ok(Ok(())) => store.verify_repository(repository, &wait).await,
                Ok(Err(error)) => Err(error),
                Err(why) => Err(why.into()),
            };
            let why = match tried {
                Ok(_) => return Ok(()),
                Err(elasticsearch::Error::Interrupted(why)) => Err(why),
                Err(error) => {
                    tracing::debug!(region = self.region.id, repository, %error, "the repository does not work yet");
                    last = Some(error.to_string());
                    wait.pause(pace.pause()).await
                }
            };
            if let Err(why) = why {
                let what = "the search store to reach the bucket with the key";
                return Err(StoreError::Waiting { what, why, last });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use rstest::rstest;

    fn own(base_path: &str, readonly: bool) -> GcsRepository {
        let (bucket, client) = ("b".to_owned(), "default".to_owned());
        GcsRepository { bucket, base_path: base_path.to_owned(), client, readonly }
    }

    fn registered(kind: &str, gcs: GcsRepository) -> Option<Repository> {
        Some(Repository { kind: kind.to_owned(), gcs })
    }

    #[rstest]
    #[case::same(registered("gcs", own("g/u0", false)), true)]
    #[case::absent(None, false)]
    #[case::rebuilt(registered("gcs", own("g/u1", false)), false)]
    #[case::readonly(registered("gcs", own("g/u0", true)), false)]
    #[case::other_type(registered("fs", own("g/u0", false)), false)]
    fn registrations_are_compared(#[case] found: Option<Repository>, #[case] same: bool) {
        let wanted = Registration { name: "camunda_backup".into(), gcs: own("g/u0", false) };
        assert_eq!(wanted.matches(found.as_ref()), same);
    }
}
