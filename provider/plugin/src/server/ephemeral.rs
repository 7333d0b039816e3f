//! What exists while Terraform runs.

use std::{sync::Arc, time::SystemTime};

use futures::future::BoxFuture;

use super::{
    check, convert,
    erased::{Call, READ_ADVICE},
    guard::limited,
    service::{Service, said, unknown_type},
    validate::{Registered, Validated},
};
use crate::{
    Context, Diagnostics, Ephemeral, Fault, Model, Provider, Value, plan,
    proto::tfplugin5::{close_ephemeral_resource, open_ephemeral_resource, renew_ephemeral_resource},
};

/// What came of a call, and what the user is told.
pub(crate) type Outcome<T> = (Option<T>, Diagnostics);

/// Private data and when to renew.
pub(crate) struct Lease {
    private: Vec<u8>,
    renew_at: Option<SystemTime>,
}

/// An [`Ephemeral`] of any type.
pub(crate) trait ErasedEphemeral<C>: Validated {
    fn open(&self, call: Call<C>, config: Value) -> BoxFuture<'_, Outcome<(Value, Lease)>>;
    fn renew(&self, call: Call<C>, private: Vec<u8>) -> BoxFuture<'_, Outcome<Lease>>;
    fn close(&self, call: Call<C>, private: Vec<u8>) -> BoxFuture<'_, Outcome<()>>;
}

impl<E: Ephemeral> ErasedEphemeral<E::Client> for Registered<E> {
    fn open(&self, call: Call<E::Client>, config: Value) -> BoxFuture<'_, Outcome<(Value, Lease)>> {
        Box::pin(async move {
            let (ctx, limits) = call.start(format!("Opening `{}`", E::NAME), READ_ADVICE, E::TIMEOUT);
            let ended = limited(&limits, async {
                let expected = plan::initial(self.block(), &Value::Null, &config, &config);
                // what it computes is its own to fill in
                let given = E::Model::decode(&check::known_part(expected.clone()))?;
                let opened = self.inner.open(&ctx, given).await?;
                let lease = lease::<E>(&opened.handle, opened.renew_at)?;
                let value = plan::respell(self.block(), &expected, opened.model.encode());
                if ctx.deferred().is_some() {
                    return Ok((value, lease));
                }
                let found = check::violations(
                    "Inconsistent result",
                    E::NAME,
                    plan::check_apply(self.block(), &expected, &value),
                );
                if found.has_errors() {
                    // Terraform won't close what it never got
                    let _ = self.inner.close(&ctx, opened.handle).await;
                    return Err(found.into());
                }
                Ok((value, lease))
            })
            .await;
            outcome(&ctx, ended)
        })
    }

    fn renew(&self, call: Call<E::Client>, private: Vec<u8>) -> BoxFuture<'_, Outcome<Lease>> {
        Box::pin(async move {
            let (ctx, limits) = call.start(format!("The renewal of `{}`", E::NAME), READ_ADVICE, E::TIMEOUT);
            let ended = limited(&limits, async {
                let renewed = self.inner.renew(&ctx, handle::<E>(&private)?).await?;
                lease::<E>(&renewed.handle, renewed.renew_at)
            })
            .await;
            outcome(&ctx, ended)
        })
    }

    fn close(&self, call: Call<E::Client>, private: Vec<u8>) -> BoxFuture<'_, Outcome<()>> {
        Box::pin(async move {
            let (ctx, limits) = call.start(format!("Closing `{}`", E::NAME), READ_ADVICE, E::TIMEOUT);
            let ended = limited(&limits, async {
                // what was deferred was never opened
                if private.is_empty() { Ok(()) } else { self.inner.close(&ctx, handle::<E>(&private)?).await }
            })
            .await;
            outcome(&ctx, ended)
        })
    }
}

fn outcome<C, T>(ctx: &Context<C>, ended: Result<T, Fault>) -> Outcome<T> {
    let mut diagnostics = ctx.warnings();
    match ended {
        Ok(value) => (Some(value), diagnostics),
        Err(fault) => {
            diagnostics.extend(fault.diagnostics);
            (None, diagnostics)
        }
    }
}

fn lease<E: Ephemeral>(handle: &E::Handle, renew_at: Option<SystemTime>) -> Result<Lease, Fault> {
    let private = serde_json::to_vec(handle).map_err(|error| check::unstorable(E::NAME, &error))?;
    Ok(Lease { private, renew_at })
}

fn handle<E: Ephemeral>(private: &[u8]) -> Result<E::Handle, Fault> {
    serde_json::from_slice(private).map_err(|error| check::unstorable(E::NAME, &error))
}

impl<P: Provider> Service<P> {
    pub(super) fn ephemeral(&self, name: &str) -> Result<&dyn ErasedEphemeral<P::Client>, Fault> {
        let found = self.server.ephemerals.get(name).map(AsRef::as_ref);
        found.ok_or_else(|| unknown_type("ephemeral resource", name))
    }

    pub(super) async fn answer_open_ephemeral(
        &self,
        request: open_ephemeral_resource::Request,
    ) -> open_ephemeral_resource::Response {
        let opened = self.work("OpenEphemeralResource", &request.type_name, async {
            let one = self.ephemeral(&request.type_name)?;
            let ty = one.schema().block.ty();
            let config = convert::value(&ty, request.config.as_ref())?;
            let capabilities = request.client_capabilities.as_ref();
            if let Some(reason) = self.deferred(capabilities) {
                let result = plan::initial(&one.schema().block, &Value::Null, &config, &config);
                return Ok(open_ephemeral_resource::Response {
                    result: Some(convert::dynamic(&ty, &result)?),
                    deferred: Some(convert::deferred(reason)),
                    ..Default::default()
                });
            }
            let call = self.call_with(capabilities, Value::Null)?;
            let surroundings = Arc::clone(&call.surroundings);
            let (opened, diagnostics) = one.open(call, config).await;
            let deferred = surroundings.deferred().map(convert::deferred);
            let diagnostics = convert::diagnostics(&diagnostics);
            let Some((value, lease)) = opened else {
                return Ok(open_ephemeral_resource::Response { diagnostics, ..Default::default() });
            };
            Ok(open_ephemeral_resource::Response {
                diagnostics,
                result: Some(convert::dynamic(&ty, &value)?),
                renew_at: lease.renew_at.map(Into::into),
                private: Some(lease.private),
                deferred,
            })
        });
        opened.await.unwrap_or_else(|fault| open_ephemeral_resource::Response {
            diagnostics: convert::diagnostics(&fault.diagnostics),
            ..Default::default()
        })
    }

    pub(super) async fn answer_renew_ephemeral(
        &self,
        request: renew_ephemeral_resource::Request,
    ) -> renew_ephemeral_resource::Response {
        let renewed = self.work("RenewEphemeralResource", &request.type_name, async {
            let one = self.ephemeral(&request.type_name)?;
            Ok(one.renew(self.call()?, request.private.unwrap_or_default()).await)
        });
        let (lease, diagnostics) = renewed.await.unwrap_or_else(|fault| (None, fault.diagnostics));
        let (private, renew_at) = lease.map(|lease| (lease.private, lease.renew_at)).unzip();
        renew_ephemeral_resource::Response {
            diagnostics: convert::diagnostics(&diagnostics),
            renew_at: renew_at.flatten().map(Into::into),
            private,
        }
    }

    pub(super) async fn answer_close_ephemeral(
        &self,
        request: close_ephemeral_resource::Request,
    ) -> close_ephemeral_resource::Response {
        let closed = self.work("CloseEphemeralResource", &request.type_name, async {
            let one = self.ephemeral(&request.type_name)?;
            Ok(one.close(self.call()?, request.private.unwrap_or_default()).await.1)
        });
        close_ephemeral_resource::Response { diagnostics: said(closed.await) }
    }
}
