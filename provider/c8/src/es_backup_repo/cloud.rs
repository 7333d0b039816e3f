//! The Google half of the repository: bucket, service account, bucket-level IAM, keys (dual-region.md 6).

use std::{collections::BTreeMap, time::Duration};

use c8_clients::{
    Interrupted, Secret, Wait,
    gcp::{Bucket, Error, Gcp},
};

use super::names::OWNER_LABEL;

/// What the account may do: objects, and reading the bucket itself. Not administering it.
pub const ROLES: [&str; 2] = ["roles/storage.objectAdmin", "roles/storage.legacyBucketReader"];

/// How long Google may take until all of it knows a new account.
const SETTLING: Duration = Duration::from_secs(90);

/// Why the Google half can't be made.
#[derive(Debug, thiserror::Error)]
pub enum CloudError {
    /// A bucket of that name exists and is not this installation's.
    #[error(
        "the bucket `{name}` exists already and was not made for this installation (its label `{OWNER_LABEL}` is {owner}). \
         Choose another `bucket.name`, or delete it"
    )]
    ForeignBucket {
        /// Its name.
        name: String,
        /// Its label, for the message.
        owner: String,
    },
    /// An account of that id exists and is not this installation's.
    #[error(
        "the service account `{email}` exists already and was not made for this installation. Choose another \
         `service_account_id`, or delete it"
    )]
    ForeignAccount {
        /// Its address.
        email: String,
    },
    /// Google refuses keys.
    #[error(
        "Google refuses to create a key for `{email}`: {message}. An organisation policy \
         (`iam.disableServiceAccountKeyCreation`) may forbid keys, and an account has 10 of them at most"
    )]
    NoKey {
        /// The account.
        email: String,
        /// Google's text.
        message: String,
    },
    /// A call failed.
    #[error(transparent)]
    Gcp(#[from] Error),
    /// A wait ended before what it waited for.
    #[error("waiting for Google to know the new service account: {0}")]
    Interrupted(#[from] Interrupted),
}

/// The Google half of one repository.
#[derive(Clone, Debug)]
pub struct Cloud {
    /// Clients.
    pub gcp: Gcp,
    /// Project of bucket and account.
    pub project: String,
    /// Name of the installation.
    pub group: String,
    /// Name of the bucket.
    pub bucket: String,
    /// Account id.
    pub account_id: String,
}

impl Cloud {
    /// Address of the service account.
    #[must_use]
    pub fn email(&self) -> String {
        self.gcp.service_accounts(self.project.clone()).email(&self.account_id)
    }

    fn mark(&self) -> String {
        format!("{OWNER_LABEL}={}", self.group)
    }

    /// The bucket, if it exists and is this installation's.
    ///
    /// # Errors
    /// It is somebody else's.
    pub async fn own_bucket(&self) -> Result<Option<Bucket>, CloudError> {
        match self.gcp.buckets().get(&self.bucket).await {
            Ok(None) => Ok(None),
            Ok(Some(bucket)) if bucket.labels.get(OWNER_LABEL) == Some(&self.group) => Ok(Some(bucket)),
            Ok(Some(bucket)) => Err(self.foreign(bucket.labels.get(OWNER_LABEL))),
            Err(error) => Err(error.into()),
        }
    }

    fn foreign(&self, owner: Option<&String>) -> CloudError {
        let owner = owner.map_or_else(|| "absent".to_owned(), |owner| format!("`{owner}`"));
        CloudError::ForeignBucket { name: self.bucket.clone(), owner }
    }

    /// Creates the bucket, or adopts this installation's own.
    ///
    /// # Errors
    /// The name is taken; a call failed.
    pub async fn ensure_bucket(&self, location: &str) -> Result<(), CloudError> {
        if self.own_bucket().await?.is_some() {
            return Ok(());
        }
        let labels = BTreeMap::from([(OWNER_LABEL.to_owned(), self.group.clone())]);
        match self.gcp.buckets().create(&self.project, &self.bucket, location, &labels).await {
            Ok(_) => Ok(()),
            Err(Error::AlreadyExists { .. }) => match self.own_bucket().await? {
                Some(_) => Ok(()),
                None => Err(self.foreign(None)),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Creates the account, or adopts this installation's own.
    ///
    /// # Errors
    /// The id is taken; a call failed.
    pub async fn ensure_account(&self) -> Result<(), CloudError> {
        let accounts = self.gcp.service_accounts(self.project.clone());
        let email = self.email();
        let found = match accounts.get(&email).await? {
            Some(found) => found,
            None => {
                let display = format!("Camunda backup, {}", self.group);
                match accounts.create(&self.account_id, &display, &self.mark()).await {
                    Ok(_) => return Ok(()),
                    Err(Error::AlreadyExists { .. }) => match accounts.get(&email).await? {
                        Some(found) => found,
                        None => return Err(CloudError::ForeignAccount { email }),
                    },
                    Err(error) => return Err(error.into()),
                }
            }
        };
        if found.description == self.mark() { Ok(()) } else { Err(CloudError::ForeignAccount { email }) }
    }

    /// Lets the account write into the bucket. Google may not know a new account at once: that is waited for.
    ///
    /// # Errors
    /// A call failed.
    pub async fn ensure_grants(&self, wait: &Wait) -> Result<(), CloudError> {
        let member = format!("serviceAccount:{}", self.email());
        let buckets = self.gcp.buckets();
        let grant = || async {
            // every grant is tried: `any` would stop at the first
            let change = |policy: &mut c8_clients::gcp::Policy| {
                let mut changed = false;
                for role in ROLES {
                    changed |= policy.grant(role, &member);
                }
                changed
            };
            match buckets.change_policy(&self.bucket, change).await {
                Ok(()) => Ok(Some(())),
                Err(Error::Api { status: Some(400) | None, message, .. }) if message.contains("does not exist") => {
                    Ok(None)
                }
                Err(error) => Err(CloudError::from(error)),
            }
        };
        wait.within(SETTLING).until(grant).await
    }

    /// Whether the account may write into the bucket.
    ///
    /// # Errors
    /// A call failed.
    pub async fn is_granted(&self) -> Result<bool, Error> {
        let member = format!("serviceAccount:{}", self.email());
        let policy = self.gcp.buckets().policy(&self.bucket).await?;
        Ok(ROLES.iter().all(|role| policy.grants(role, &member)))
    }

    /// The ids of the account's usable keys; none if there is no account.
    ///
    /// # Errors
    /// A call failed.
    pub async fn key_ids(&self) -> Result<Vec<String>, Error> {
        let keys = Error::absent(self.gcp.service_accounts(self.project.clone()).keys(&self.email()).await)?;
        Ok(keys.unwrap_or_default().into_iter().filter(|key| !key.disabled).map(|key| key.id).collect())
    }

    /// Makes a key: its id and the credentials file.
    ///
    /// # Errors
    /// Keys are refused; a call failed.
    pub async fn create_key(&self, wait: &Wait) -> Result<(String, Secret), CloudError> {
        let accounts = self.gcp.service_accounts(self.project.clone());
        let email = self.email();
        let create = || async {
            match accounts.create_key(&email).await {
                Ok(key) => Ok(Some(key)),
                Err(Error::NotFound { .. }) => Ok(None),
                Err(Error::Conflict { message, .. } | Error::Api { message, status: Some(429), .. }) => {
                    Err(CloudError::NoKey { email: email.clone(), message })
                }
                Err(error) => Err(CloudError::from(error)),
            }
        };
        wait.within(SETTLING).until(create).await
    }

    /// Deletes all keys but `kept`.
    ///
    /// # Errors
    /// A call failed.
    pub async fn delete_other_keys(&self, kept: &str) -> Result<(), Error> {
        let accounts = self.gcp.service_accounts(self.project.clone());
        for id in self.key_ids().await? {
            if id != kept {
                accounts.delete_key(&self.email(), &id).await?;
            }
        }
        Ok(())
    }

    /// Takes the account's roles and deletes it with its keys, if it is this installation's.
    ///
    /// # Errors
    /// A call failed.
    pub async fn remove_account(&self) -> Result<(), Error> {
        let accounts = self.gcp.service_accounts(self.project.clone());
        let email = self.email();
        let member = format!("serviceAccount:{email}");
        let change = |policy: &mut c8_clients::gcp::Policy| {
            let mut changed = false;
            for role in ROLES {
                changed |= policy.revoke(role, &member);
            }
            changed
        };
        Error::absent(self.gcp.buckets().change_policy(&self.bucket, change).await)?;
        let found = accounts.get(&email).await?;
        if found.is_some_and(|found| found.description == self.mark()) {
            accounts.delete(&email).await?;
        }
        Ok(())
    }
}
