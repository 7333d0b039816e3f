//! Resources and data sources behind one object-safe face, so that a registry can hold them all.
//!
//! On this side of the face everything is a [`Value`]; on the other side everything is the author's model. The files beside this
//! one hold what happens in between, one operation each.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::{
    apply::{self, ApplyRequest, ApplyResponse},
    data_source::{self, Looked},
    guard::Limits,
    plan::{self, PlanRequest, PlanResponse},
    read::{self, ReadRequest, ReadResponse},
    validate::{Registered, Validated},
};
use crate::{
    Context, DataSource, Fault, Model, Resource, Value,
    resource::{
        Surroundings,
        timeouts::{self, Operation},
    },
    schema::Block,
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
pub(crate) trait ErasedResource<C>: Validated {
    fn plan(&self, request: &PlanRequest) -> PlanResponse;
    fn read(&self, call: Call<C>, request: ReadRequest) -> BoxFuture<'_, ReadResponse>;
    fn apply(&self, call: Call<C>, request: ApplyRequest) -> BoxFuture<'_, ApplyResponse>;
    fn import(&self, id: &str) -> Result<Value, Fault>;
}

/// A [`DataSource`] of any type.
pub(crate) trait ErasedDataSource<C>: Validated {
    fn read(&self, call: Call<C>, config: Value) -> BoxFuture<'_, Looked>;
}

impl<R: Resource> ErasedResource<R::Client> for Registered<R> {
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
