//! What identifies a thing, in every answer about it.

use std::collections::HashMap;

use super::{check, convert, service::Service, upgrade};
use crate::{
    Diagnostics, Fault, Identified, Model, Path, Provider, Resource, Type, Typed, Value,
    proto::tfplugin5::{
        DynamicValue, ResourceIdentityData, ResourceIdentitySchema, resource_identity_schema::IdentityAttribute,
        upgrade_resource_identity,
    },
    schema::Field,
};

/// An [`Identified`] of any type.
pub(crate) trait ErasedIdentity: Send + Sync {
    fn version(&self) -> i64;
    fn fields(&self) -> Vec<Field>;
    fn identify(&self, state: &Value) -> Result<Value, Fault>;
    fn import(&self, identity: &Value) -> Result<Value, Fault>;
    fn upgrade(&self, version: i64, old: serde_json::Value) -> Result<Value, Fault>;
}

pub(crate) struct RegisteredIdentity<I>(pub(crate) I);

impl<I: Identified> ErasedIdentity for RegisteredIdentity<I> {
    fn version(&self) -> i64 {
        I::VERSION
    }

    fn fields(&self) -> Vec<Field> {
        I::Identity::fields()
    }

    fn identify(&self, state: &Value) -> Result<Value, Fault> {
        Ok(self.0.identify(&<I::Resource as Resource>::Model::decode(state)?).encode())
    }

    fn import(&self, identity: &Value) -> Result<Value, Fault> {
        let state = self.0.import(I::Identity::decode(identity, &Path::root())?)?.encode();
        check::wholly_known(I::Resource::NAME, &state).map(|()| state)
    }

    fn upgrade(&self, version: i64, old: serde_json::Value) -> Result<Value, Fault> {
        Ok(self.0.upgrade(version, old)?.encode())
    }
}

impl dyn ErasedIdentity + '_ {
    pub(crate) fn ty(&self) -> Type {
        Type::object(self.fields().into_iter().map(|field| (field.name, field.ty)))
    }

    /// Whether everything is there that an import would need.
    fn is_complete(&self, identity: &Value) -> bool {
        self.fields().iter().all(|field| field.optional || identity.get(&field.name).is_some_and(|one| !one.is_null()))
    }

    fn schema(&self) -> ResourceIdentitySchema {
        let attributes = self.fields().into_iter().map(|field| IdentityAttribute {
            r#type: field.ty.to_json_bytes(),
            required_for_import: !field.optional,
            optional_for_import: field.optional,
            name: field.name,
            description: field.description,
        });
        ResourceIdentitySchema { version: self.version(), identity_attributes: attributes.collect() }
    }
}

/// Whether the identity may be another one than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anew {
    /// The thing is replaced, or the call failed.
    Yes,
    /// The thing is what it was.
    No,
}

impl<P: Provider> Service<P> {
    pub(super) fn identity(&self, name: &str) -> Option<&dyn ErasedIdentity> {
        self.server.identities.get(name).map(AsRef::as_ref)
    }

    pub(super) fn identity_schemas(&self) -> HashMap<String, ResourceIdentitySchema> {
        self.server.identities.iter().map(|(name, one)| ((*name).to_owned(), one.schema())).collect()
    }

    /// The identity of what `state` describes, to go with it in an answer, and what is wrong with it.
    pub(super) fn identity_of(
        &self,
        name: &str,
        state: &Value,
        before: Option<&ResourceIdentityData>,
        anew: Anew,
    ) -> (Option<ResourceIdentityData>, Diagnostics) {
        let Some(identity) = self.identity(name) else { return (None, Diagnostics::default()) };
        if state.is_null() {
            return (None, Diagnostics::default());
        }
        match describe(identity, name, state, before, anew) {
            Ok(Some(data)) => (Some(data), Diagnostics::default()),
            // the state doesn't say: what Terraform knows is the best there is
            Ok(None) => (before.cloned(), Diagnostics::default()),
            Err(fault) => (before.cloned(), fault.diagnostics),
        }
    }

    pub(super) async fn answer_upgrade_resource_identity(
        &self,
        request: upgrade_resource_identity::Request,
    ) -> Result<ResourceIdentityData, Fault> {
        let name = request.type_name.as_str();
        self.work("UpgradeResourceIdentity", name, async {
            let identity = self.identity(name).ok_or_else(|| missing(name))?;
            let stored = request.raw_identity.unwrap_or_default().json;
            let value = if request.version == identity.version() {
                upgrade::typed(&identity.ty(), &stored)?
            } else {
                let old = serde_json::from_slice(&stored)
                    .map_err(|error| Fault::new("Unreadable identity", format!("It isn't JSON: {error}.")))?;
                identity.upgrade(request.version, old)?
            };
            check::wholly_known(name, &value)?;
            data(&identity.ty(), &value)
        })
        .await
    }

    /// A first state from an identity.
    pub(super) fn import_identity(&self, name: &str, given: &ResourceIdentityData) -> Result<Value, Fault> {
        let identity = self.identity(name).ok_or_else(|| missing(name))?;
        identity.import(&convert::value(&identity.ty(), given.identity_data.as_ref())?)
    }
}

fn describe(
    identity: &dyn ErasedIdentity,
    name: &str,
    state: &Value,
    before: Option<&ResourceIdentityData>,
    anew: Anew,
) -> Result<Option<ResourceIdentityData>, Fault> {
    let ty = identity.ty();
    let value = identity.identify(state)?;
    if !identity.is_complete(&value) {
        return Ok(None);
    }
    let before = convert::value(&ty, before.and_then(|data| data.identity_data.as_ref()))?;
    if anew == Anew::Yes || !before.is_wholly_known() || !identity.is_complete(&before) {
        return data(&ty, &value).map(Some);
    }
    let value = filled(value, &before);
    if let Some(path) = check::difference(&before, &value) {
        let found = vec![(path, "the identity of a thing can't change while it lives".to_owned())];
        return Err(check::violations("Changed identity", name, found).into());
    }
    data(&ty, &value).map(Some)
}

/// What isn't known yet will be what it was.
fn filled(value: Value, before: &Value) -> Value {
    match value {
        Value::Unknown(_) => before.clone(),
        Value::Object(attributes) => Value::Object(
            attributes
                .into_iter()
                .map(|(name, value)| {
                    let value = filled(value, before.get(&name).unwrap_or(&Value::Null));
                    (name, value)
                })
                .collect(),
        ),
        known => known,
    }
}

pub(crate) fn data(ty: &Type, value: &Value) -> Result<ResourceIdentityData, Fault> {
    let identity: DynamicValue = convert::dynamic(ty, value)?;
    Ok(ResourceIdentityData { identity_data: Some(identity) })
}

fn missing(name: &str) -> Fault {
    Fault::new("Identity isn't supported", format!("`{name}` has no identity in this version of the provider."))
}
