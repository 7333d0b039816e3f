//! What is done and leaves nothing in the state.
//!
//! An action runs in a task of its own that goes on until its end, its time or its stop: unlike a search, half an action may be
//! worse than a whole one that nobody listens to any more. A client that goes away counts as a stop.

use std::sync::Arc;

use futures::{Stream, StreamExt, future::BoxFuture};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::Status;
use tracing::Instrument;

use super::{
    convert,
    erased::Call,
    guard::limited,
    service::{Service, said, unknown_type},
    validate::{Registered, Validated},
};
use crate::{
    Action, Diagnostics, Fault, Model, Progress, Provider, Value,
    proto::tfplugin5::{
        invoke_action::{
            self, Event,
            event::{Completed, Progress as Said, Type},
        },
        plan_action,
    },
};

const ADVICE: &str = "What it did until then isn't undone. Look before you run it again.";

/// An [`Action`] of any type.
pub(crate) trait ErasedAction<C>: Validated {
    fn plan(&self, config: &Value) -> Result<Diagnostics, Fault>;
    fn invoke(self: Arc<Self>, call: Call<C>, config: Value, progress: Progress) -> BoxFuture<'static, Diagnostics>;
}

impl<A: Action> ErasedAction<A::Client> for Registered<A> {
    fn plan(&self, config: &Value) -> Result<Diagnostics, Fault> {
        let mut diags = Diagnostics::default();
        self.inner.plan(&A::Config::decode(config)?, &mut diags);
        Ok(diags)
    }

    fn invoke(
        self: Arc<Self>,
        call: Call<A::Client>,
        config: Value,
        progress: Progress,
    ) -> BoxFuture<'static, Diagnostics> {
        Box::pin(async move {
            let (ctx, limits) = call.start(format!("The action `{}`", A::NAME), ADVICE, A::TIMEOUT);
            let ended =
                limited(&limits, async { self.inner.invoke(&ctx, A::Config::decode(&config)?, &progress).await }).await;
            let mut diagnostics = ctx.warnings();
            diagnostics.extend(ended.err().into_iter().flat_map(|fault| fault.diagnostics));
            diagnostics
        })
    }
}

fn said_on_the_way(message: String) -> Event {
    Event { r#type: Some(Type::Progress(Said { message })) }
}

fn completed(diagnostics: &Diagnostics) -> Event {
    Event { r#type: Some(Type::Completed(Completed { diagnostics: convert::diagnostics(diagnostics) })) }
}

impl<P: Provider> Service<P> {
    pub(super) fn action(&self, name: &str) -> Result<&Arc<dyn ErasedAction<P::Client>>, Fault> {
        self.server.actions.get(name).ok_or_else(|| unknown_type("action", name))
    }

    pub(super) async fn answer_plan_action(&self, request: plan_action::Request) -> plan_action::Response {
        let deferred = self.deferred(request.client_capabilities.as_ref());
        let planned = self.work("PlanAction", &request.action_type, async {
            let one = self.action(&request.action_type)?;
            if deferred.is_some() {
                return Ok(Diagnostics::default());
            }
            one.plan(&convert::value(&one.schema().block.ty(), request.config.as_ref())?)
        });
        plan_action::Response { diagnostics: said(planned.await), deferred: deferred.map(convert::deferred) }
    }

    pub(super) async fn answer_invoke_action(
        &self,
        request: invoke_action::Request,
    ) -> impl Stream<Item = Result<Event, Status>> + Send + 'static {
        let (sender, mut progress) = mpsc::unbounded_channel();
        let (events, receiver) = mpsc::unbounded_channel();
        let name = request.action_type.clone();
        let begun = self.work("InvokeAction", &name, async {
            let one = self.action(&request.action_type)?;
            let config = convert::value(&one.schema().block.ty(), request.config.as_ref())?;
            let call = self.call()?;
            Ok((call.cancel.clone(), Arc::clone(one).invoke(call, config, Progress::new(sender))))
        });
        match begun.await {
            Ok((cancel, mut action)) => {
                let span = tracing::debug_span!("rpc", tf_rpc = "InvokeAction", tf_action_type = name);
                let task = async move {
                    let diagnostics = loop {
                        tokio::select! {
                            biased;
                            Some(message) = progress.recv() => {
                                let _ = events.send(said_on_the_way(message));
                            }
                            diagnostics = &mut action => break diagnostics,
                            () = events.closed(), if !cancel.is_cancelled() => {
                                tracing::info!("the client went away: stopping");
                                cancel.cancel();
                            }
                        }
                    };
                    while let Ok(message) = progress.try_recv() {
                        let _ = events.send(said_on_the_way(message));
                    }
                    let _ = events.send(completed(&diagnostics));
                };
                tokio::spawn(task.instrument(span));
            }
            Err(fault) => {
                let _ = events.send(completed(&fault.diagnostics));
            }
        }
        UnboundedReceiverStream::new(receiver).map(Ok)
    }
}
