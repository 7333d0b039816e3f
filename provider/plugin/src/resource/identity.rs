use crate::{Fault, Resource, Typed};

/// What makes a thing of a [`Resource`] that very thing, apart from the state: what Terraform 1.12 and later imports by
/// (`import { identity = { … } }`), shows in lists and keeps beside the state.
///
/// The attributes are the fields of a struct: strings, numbers, bools and lists of them. One marked `#[tf(optional)]` may be left
/// out at import; all others are required.
pub trait Identified: Send + Sync + 'static {
    /// What is identified.
    type Resource: Resource;

    /// The identity: a struct that derives [`Object`](macro@crate::Object).
    type Identity: Typed;

    /// The version of the identity's shape.
    const VERSION: i64 = 0;

    /// The identity of what a state or a plan describes; unknown where the plan is. It must not change while the thing lives.
    fn identify(&self, model: &<Self::Resource as Resource>::Model) -> Self::Identity;

    /// Makes a first state from an identity, without contact: Terraform reads it right after.
    ///
    /// # Errors
    /// If nothing can have this identity.
    fn import(&self, identity: Self::Identity) -> Result<<Self::Resource as Resource>::Model, Fault>;

    /// Reads an identity of an older version, from plain JSON.
    ///
    /// # Errors
    /// If that version is unknown, which is the default.
    fn upgrade(&self, version: i64, old: serde_json::Value) -> Result<Self::Identity, Fault> {
        let _ = old;
        Err(Fault::new(
            "Unreadable identity",
            format!(
                "The identity of `{}` has version {version}, this provider knows version {}.",
                Self::Resource::NAME,
                Self::VERSION
            ),
        ))
    }
}
