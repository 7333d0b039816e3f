//! Resources and data sources behind one object-safe face, so that a registry can hold them all.
//!
//! On this side of the face everything is a [`Value`]; on the other side everything is the author's model. The files beside this
//! one hold what happens in between, one operation each.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::{
    apply::{self, ApplyRequest, ApplyResponse},
    data_source::{self, Looked},
    guard::Limits,
    plan::{self, PlanRequest, PlanResponse},
    read::{self, ReadRequest, ReadResponse},
};
use crate::{
    Context, DataSource, Diagnostics, Fault, Model, Resource, Schema, Value,
    resource::{
        Surroundings,
        timeouts::{self, Operation},
    },
    schema::{self, Block},
};

/// What a call into the world gets beside its input.
pub(crate) struct Call<C> {
    pub(crate) client: Arc<C>,
    pub(crate) cancel: CancellationToken,
    pub(crate) grace: Duration,
    pub(crate) surroundings: Arc<Surroundings>,
}

impl<C> Call<C> {
    /// The author's view of the call and ours.
    pub(crate) fn start(self, what: String, advice: &'static str, timeout: Duration) -> (Context<C>, Limits) {
        let ctx = Context::of_call(self.client, timeout, self.cancel, Arc::clone(&self.surroundings));
        let limits = Limits {
            what,
            advice,
            timeout,
            deadline: ctx.deadline,
            cancel: ctx.cancel.clone(),
            grace: self.grace,
            surroundings: self.surroundings,
        };
        (ctx, limits)
    }
}

/// A [`Resource`] of any type.
pub(crate) trait ErasedResource<C>: Send + Sync {
    fn schema(&self) -> &Schema;
    fn validate(&self, config: &Value) -> Diagnostics;
    fn plan(&self, request: &PlanRequest) -> PlanResponse;
    fn read(&self, call: Call<C>, request: ReadRequest) -> BoxFuture<'_, ReadResponse>;
    fn apply(&self, call: Call<C>, request: ApplyRequest) -> BoxFuture<'_, ApplyResponse>;
    fn import(&self, id: &str) -> Result<Value, Fault>;
}

/// A [`DataSource`] of any type.
pub(crate) trait ErasedDataSource<C>: Send + Sync {
    fn schema(&self) -> &Schema;
    fn validate(&self, config: &Value) -> Diagnostics;
    fn read(&self, call: Call<C>, config: Value) -> BoxFuture<'_, Looked>;
}

/// A resource or data source with its schema, which is made when it is first needed: most processes need one or two of all.
pub(crate) struct Registered<R> {
    pub(crate) inner: R,
    schema: LazyLock<Schema>,
}

impl<R> Registered<R> {
    pub(crate) fn new(inner: R, schema: fn() -> Schema) -> Self {
        Self { inner, schema: LazyLock::new(schema) }
    }

    pub(crate) fn whole_schema(&self) -> &Schema {
        &self.schema
    }

    pub(crate) fn block(&self) -> &Block {
        &self.schema.block
    }
}

impl<R: Resource> ErasedResource<R::Client> for Registered<R> {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn validate(&self, config: &Value) -> Diagnostics {
        let mut diags = checked(&self.schema.block, config);
        timeouts::validate(config, &mut diags);
        with_model(config, &mut diags, |config, diags| self.inner.validate(config, diags));
        diags
    }

    fn plan(&self, request: &PlanRequest) -> PlanResponse {
        plan::plan(self, request)
    }

    fn read(&self, call: Call<R::Client>, request: ReadRequest) -> BoxFuture<'_, ReadResponse> {
        Box::pin(read::read(self, call, request))
    }

    fn apply(&self, call: Call<R::Client>, request: ApplyRequest) -> BoxFuture<'_, ApplyResponse> {
        Box::pin(apply::apply(self, call, request))
    }

    fn import(&self, id: &str) -> Result<Value, Fault> {
        let value = self.inner.import(id)?.encode();
        super::check::wholly_known(R::NAME, &value).map(|()| value)
    }
}

impl<D: DataSource> ErasedDataSource<D::Client> for Registered<D> {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn validate(&self, config: &Value) -> Diagnostics {
        let mut diags = checked(&self.schema.block, config);
        with_model(config, &mut diags, |config, diags| self.inner.validate(config, diags));
        diags
    }

    fn read(&self, call: Call<D::Client>, config: Value) -> BoxFuture<'_, Looked> {
        Box::pin(data_source::read(self, call, config))
    }
}

/// What an operation is called in messages.
pub(crate) fn title(operation: Operation, name: &str) -> String {
    let verb = match operation {
        Operation::Create => "creation",
        Operation::Read => "refresh",
        Operation::Update => "update",
        Operation::Delete => "deletion",
    };
    format!("The {verb} of `{name}`")
}

/// What the user can do when the operation didn't end.
pub(crate) fn advice(operation: Operation, block: &Block) -> &'static str {
    match (operation, block.block(timeouts::BLOCK)) {
        (Operation::Read, None) => READ_ADVICE,
        (Operation::Read, Some(_)) => "Run the command again, or allow more time in the `timeouts` block.",
        (_, None) => "What is known of its result was saved. Run `terraform apply` to go on.",
        (_, Some(_)) => {
            "What is known of its result was saved. Run `terraform apply` to go on, or allow more time in the `timeouts` block."
        }
    }
}

/// What the user can do when a look at the world didn't end.
pub(crate) const READ_ADVICE: &str = "Run the command again.";

/// What the schema alone says about a configuration.
pub(crate) fn checked(block: &Block, config: &Value) -> Diagnostics {
    schema::validate(block, config)
}

/// Lets the author check a configuration, if it can be read at all.
pub(crate) fn with_model<M: Model>(config: &Value, diags: &mut Diagnostics, check: impl FnOnce(&M, &mut Diagnostics)) {
    match M::decode(config) {
        Ok(model) => check(&model, diags),
        // the schema's check has said it already, and better
        Err(_) if diags.has_errors() => {}
        Err(error) => diags.extend(Fault::from(error).diagnostics),
    }
}
