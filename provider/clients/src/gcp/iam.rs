//! Service accounts and their keys (`dual-region.md 6`).
//!
//! IAM is eventually consistent: a fresh account may be unknown for some seconds to everything else. A key is given once,
//! as a [`Secret`], and belongs into the regions' Secrets and nowhere else.

use google_cloud_iam_admin_v1::model;
use google_cloud_iam_admin_v1::model::list_service_account_keys_request::KeyType;

use super::cluster::last_segment;
use super::error::Subject;
use super::{Error, Gcp, Service};
use crate::Secret;

/// A service account as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccount {
    /// `id@project.iam.gserviceaccount.com`
    pub email: String,
    /// Numeric ID; a recreated account has another one.
    pub unique_id: String,
    /// Display name.
    pub display_name: String,
    /// What it is for.
    pub description: String,
    /// Whether it was switched off.
    pub disabled: bool,
}

/// A key without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccountKey {
    /// Key ID.
    pub id: String,
    /// Whether it was switched off.
    pub disabled: bool,
}

/// Service accounts of a project.
#[derive(Clone, Debug)]
pub struct ServiceAccounts {
    gcp: Gcp,
    project: String,
}

impl ServiceAccounts {
    pub(super) const fn new(gcp: Gcp, project: String) -> Self {
        Self { gcp, project }
    }

    /// The e-mail address of the account with that ID.
    pub fn email(&self, account_id: &str) -> String {
        format!("{account_id}@{}.iam.gserviceaccount.com", self.project)
    }

    /// `None` is 404.
    pub async fn get(&self, email: &str) -> Result<Option<ServiceAccount>, Error> {
        let client = self.gcp.iam_client().await?;
        let request = client.get_service_account().set_name(self.name(email));
        let answer = self.gcp.call(Service::Iam, subject("get", email), request.send()).await;
        Ok(Error::absent(answer)?.map(|account| read(&account)))
    }

    /// Creates an account. [`Error::AlreadyExists`] if the ID is taken.
    pub async fn create(
        &self,
        account_id: &str,
        display_name: &str,
        description: &str,
    ) -> Result<ServiceAccount, Error> {
        let client = self.gcp.iam_client().await?;
        let account = model::ServiceAccount::new().set_display_name(display_name).set_description(description);
        let request = client
            .create_service_account()
            .set_name(format!("projects/{}", self.project))
            .set_account_id(account_id)
            .set_service_account(account);
        let created = self.gcp.call(Service::Iam, subject("create", account_id), request.send()).await?;
        Ok(read(&created))
    }

    /// Deletes an account with its keys. `false` if there was none.
    pub async fn delete(&self, email: &str) -> Result<bool, Error> {
        let client = self.gcp.iam_client().await?;
        let request = client.delete_service_account().set_name(self.name(email));
        let answer = self.gcp.call(Service::Iam, subject("delete", email), request.send()).await;
        Ok(Error::absent(answer)?.is_some())
    }

    /// Creates a key: its ID and the credentials file (JSON), which can't be had again. At most 10 an account.
    pub async fn create_key(&self, email: &str) -> Result<(String, Secret), Error> {
        let client = self.gcp.iam_client().await?;
        let request = client
            .create_service_account_key()
            .set_name(self.name(email))
            .set_private_key_type(model::ServiceAccountPrivateKeyType::TypeGoogleCredentialsFile)
            .set_key_algorithm(model::ServiceAccountKeyAlgorithm::KeyAlgRsa2048);
        let key = self.gcp.call(Service::Iam, subject("create a key of", email), request.send()).await?;
        let file = String::from_utf8(key.private_key_data.to_vec()).map_err(|_| Error::Api {
            verb: "create a key of",
            what: format!("service account {email}"),
            status: None,
            message: "the answer holds no credentials file".to_owned(),
        })?;
        Ok((last_segment(&key.name), Secret::new(file)))
    }

    /// The keys that were made by users.
    pub async fn keys(&self, email: &str) -> Result<Vec<ServiceAccountKey>, Error> {
        let client = self.gcp.iam_client().await?;
        let request =
            client.list_service_account_keys().set_name(self.name(email)).set_key_types([KeyType::UserManaged]);
        let answer = self.gcp.call(Service::Iam, subject("list the keys of", email), request.send()).await?;
        // Asked for again here: an API that ignores the filter must not make us delete Google's own keys.
        let own = |key: &model::ServiceAccountKey| key.key_type != KeyType::SystemManaged;
        let keys = answer.keys.iter().filter(|key| own(key));
        Ok(keys.map(|key| ServiceAccountKey { id: last_segment(&key.name), disabled: key.disabled }).collect())
    }

    /// Deletes a key. `false` if there was none.
    pub async fn delete_key(&self, email: &str, key_id: &str) -> Result<bool, Error> {
        let client = self.gcp.iam_client().await?;
        let request = client.delete_service_account_key().set_name(format!("{}/keys/{key_id}", self.name(email)));
        let answer = self.gcp.call(Service::Iam, subject("delete a key of", email), request.send()).await;
        Ok(Error::absent(answer)?.is_some())
    }

    fn name(&self, email: &str) -> String {
        format!("projects/{}/serviceAccounts/{email}", self.project)
    }
}

const fn subject<'a>(verb: &'static str, name: &'a str) -> Subject<'a> {
    Subject { verb, kind: "service account", name }
}

fn read(account: &model::ServiceAccount) -> ServiceAccount {
    ServiceAccount {
        email: account.email.clone(),
        unique_id: account.unique_id.clone(),
        display_name: account.display_name.clone(),
        description: account.description.clone(),
        disabled: account.disabled,
    }
}
