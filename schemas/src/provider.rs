//! Configuration of the provider.

use terraform_plugin::{Attr, Model, Secret};

/// Sets up, watches, fails over and fails back a dual-region active-active Camunda 8 on GKE.
#[derive(Clone, Debug, Default, PartialEq, Model)]
pub struct ProviderConfig {
    /// Google Cloud project of everything that does not name one itself.
    #[tf(optional)]
    pub project: Attr<String>,
    /// Credentials for Google Cloud: the path of a JSON file, or the JSON itself (a service account key or application
    /// default credentials). Without it, and without `access_token`, application default credentials are looked up.
    #[tf(optional, sensitive)]
    pub credentials: Attr<Secret<String>>,
    /// A ready-made OAuth 2.0 access token, used instead of `credentials`. It is not renewed: it must outlive the apply.
    #[tf(optional, sensitive)]
    pub access_token: Attr<Secret<String>>,
    /// Other addresses of the Google Cloud APIs, for private endpoints and for test worlds.
    #[tf(block)]
    pub endpoints: Option<Endpoints>,
}

/// Other addresses of the Google Cloud APIs, for private endpoints and for test worlds.
#[derive(Clone, Debug, Default, PartialEq, Model)]
pub struct Endpoints {
    /// Address of the Kubernetes Engine API, such as `http://127.0.0.1:8080`.
    #[tf(optional)]
    pub container: Attr<String>,
    /// Address of the Compute Engine API.
    #[tf(optional)]
    pub compute: Attr<String>,
    /// Address of the Cloud Storage API.
    #[tf(optional)]
    pub storage: Attr<String>,
    /// Address of the IAM API.
    #[tf(optional)]
    pub iam: Attr<String>,
}
