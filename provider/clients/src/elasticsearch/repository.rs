//! Snapshot repositories (`dual-region.md 6`).
//!
//! Each region writes its own path and registers its peer's read-only under another name, so that no bucket path ever has two
//! writers and no flag is ever switched.

use serde_json::{Value, json};

use super::{BUCKET, Elasticsearch, Error, checked};
use crate::Wait;
use crate::kubernetes::Call;

/// A GCS repository to be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GcsRepository {
    /// Bucket.
    pub bucket: String,
    /// Path in it, `<group>/<cluster_uid>`.
    pub base_path: String,
    /// Client of the keystore, `default`.
    pub client: String,
    /// Only read.
    pub readonly: bool,
}

/// A repository as it is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// `gcs`, ….
    pub kind: String,
    /// The settings of a GCS repository, as far as they are there.
    pub gcs: GcsRepository,
}

impl Repository {
    fn read(json: &Value) -> Self {
        let setting = |name: &str| match &json["settings"][name] {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        let client = setting("client");
        Self {
            kind: json["type"].as_str().unwrap_or_default().to_owned(),
            gcs: GcsRepository {
                bucket: setting("bucket"),
                base_path: setting("base_path"),
                client: if client.is_empty() { "default".to_owned() } else { client },
                readonly: setting("readonly") == "true",
            },
        }
    }
}

impl Elasticsearch {
    /// Registers a repository, or changes it, without trying it: [`Elasticsearch::verify_repository`] does.
    pub async fn put_repository(&self, name: &str, repository: &GcsRepository) -> Result<(), Error> {
        let mut settings =
            json!({ "bucket": repository.bucket, "client": repository.client, "base_path": repository.base_path });
        if repository.readonly {
            settings["readonly"] = json!(true);
        }
        let call = Call::put(format!("/_snapshot/{}?verify=false", checked(name)?))
            .json(json!({ "type": "gcs", "settings": settings }));
        self.answer(&call).await.map(drop)
    }

    /// A repository, or `None`.
    pub async fn repository(&self, name: &str) -> Result<Option<Repository>, Error> {
        match self.ask::<Value>(&Call::get(format!("/_snapshot/{}", checked(name)?))).await {
            Ok(json) => Ok(json.get(name).map(Repository::read)),
            Err(Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Forgets a repository; its content stays. `false` if there was none.
    pub async fn delete_repository(&self, name: &str) -> Result<bool, Error> {
        match self.answer(&Call::delete(format!("/_snapshot/{}", checked(name)?))).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Proves that all nodes can use it; gives their number.
    pub async fn verify_repository(&self, name: &str, wait: &Wait) -> Result<usize, Error> {
        let call = Call::post(format!("/_snapshot/{}/_verify", checked(name)?)).within(BUCKET);
        let json: Value = wait.run(self.ask(&call)).await??;
        Ok(json["nodes"].as_object().map_or(0, serde_json::Map::len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back_as_strings() {
        let json = json!({ "type": "gcs", "settings": { "bucket": "b", "base_path": "g/u", "readonly": "true" } });
        let expected =
            GcsRepository { bucket: "b".into(), base_path: "g/u".into(), client: "default".into(), readonly: true };
        assert_eq!(Repository::read(&json), Repository { kind: "gcs".into(), gcs: expected });
    }
}
