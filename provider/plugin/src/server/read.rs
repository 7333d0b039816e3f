//! Looking at the world.

use super::{
    check,
    erased::{Call, advice, title},
    guard::limited,
    private::Private,
    validate::Registered,
};
use crate::{Deferred, Diagnostics, Fault, Model, Resource, Value, plan, resource::timeouts::Operation};

pub(crate) struct ReadRequest {
    pub(crate) prior: Value,
    pub(crate) private: Vec<u8>,
}

pub(crate) struct ReadResponse {
    /// What is there now; the prior state if that couldn't be seen.
    pub(crate) state: Value,
    pub(crate) private: Vec<u8>,
    pub(crate) diagnostics: Diagnostics,
    pub(crate) deferred: Option<Deferred>,
}

pub(crate) async fn read<R: Resource>(
    registered: &Registered<R>,
    call: Call<R::Client>,
    request: ReadRequest,
) -> ReadResponse {
    let timeout = Operation::Read.timeout::<R>(&request.prior);
    let (ctx, limits) =
        call.start(title(Operation::Read, R::NAME), advice(Operation::Read, registered.block()), timeout);
    let seen = limited(&limits, async {
        let prior = R::Model::decode(&request.prior)?;
        let observation = Private::decode(&request.private).observation();
        let Some((model, observation)) = registered.inner.read(&ctx, prior, observation).await? else {
            return Ok((Value::Null, Vec::new()));
        };
        let block = registered.block();
        let state = plan::respell(block, &request.prior, plan::without_write_only(block, model.encode()));
        check::wholly_known(R::NAME, &state)?;
        Ok((state, remember::<R>(&observation)?))
    })
    .await;
    let mut diagnostics = ctx.warnings();
    let (state, private) = seen.unwrap_or_else(|fault| {
        diagnostics.extend(fault.diagnostics);
        (request.prior, request.private)
    });
    ReadResponse { state, private, diagnostics, deferred: ctx.deferred() }
}

/// Private state after a look at the world.
pub(crate) fn remember<R: Resource>(observation: &R::Observation) -> Result<Vec<u8>, Fault> {
    let private =
        Private::default().with_observation(observation).map_err(|error| check::unstorable(R::NAME, &error))?;
    Ok(private.encode())
}
