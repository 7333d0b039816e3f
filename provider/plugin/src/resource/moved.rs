use crate::{Fault, Model, Resource, server::stored};

/// Takes over the state of another type, for `moved { from = old_thing.this  to = new_thing.this }`.
///
/// The other type may be of this provider or of another one. Nothing is contacted: Terraform reads the thing right after.
pub trait Move: Send + Sync + 'static {
    /// What the state becomes.
    type Target: Resource;

    /// Makes a state out of the source; `None` if it isn't one that this move knows.
    ///
    /// # Errors
    /// If the source is known, and its state makes no sense.
    fn take(&self, source: &Source) -> Result<Option<<Self::Target as Resource>::Model>, Fault>;
}

/// What is moved.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Source {
    /// Address of the provider that wrote the state, such as `registry.terraform.io/hashicorp/null`.
    pub provider: String,
    /// The type, such as `null_resource`.
    pub type_name: String,
    /// The version of the state's shape.
    pub version: i64,
    /// The state as JSON.
    pub state: Vec<u8>,
}

impl Source {
    /// A source as a move would get it; for tests.
    #[must_use]
    pub fn new(provider: &str, type_name: &str, version: i64, state: &[u8]) -> Self {
        Self { provider: provider.to_owned(), type_name: type_name.to_owned(), version, state: state.to_vec() }
    }

    /// The state as a model. Attributes that the model doesn't have are dropped, those that the state lacks are null.
    ///
    /// # Errors
    /// If an attribute is of another type.
    pub fn decode<M: Model>(&self) -> Result<M, Fault> {
        Ok(M::decode(&stored(&M::block(), &self.state)?)?)
    }

    /// The state as plain JSON, for a source whose attributes are of any type.
    ///
    /// # Errors
    /// If it isn't JSON.
    pub fn json(&self) -> Result<serde_json::Value, Fault> {
        serde_json::from_slice(&self.state).map_err(|error| {
            Fault::new("Unreadable state", format!("The state of the moved `{}` isn't JSON: {error}.", self.type_name))
        })
    }
}
