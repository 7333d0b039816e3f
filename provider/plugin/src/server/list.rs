//! What exists, found one by one.
//!
//! The search runs in a task of its own, which ends when the client goes away: the stream that it fills is dropped then.

use std::sync::Arc;

use futures::Stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tracing::Instrument;

use super::{
    check, convert,
    erased::{Call, READ_ADVICE},
    guard::limited,
    identity,
    service::{Service, unknown_type},
    validate::{Registered, Validated},
};
use crate::{
    Diagnostics, Fault, List, Model, Provider, Resource, Type, Value,
    proto::tfplugin5::list_resource::{self, Event},
    resource::{Listed, Results},
};

/// How many results wait for Terraform.
const AHEAD: usize = 16;

/// What is asked for.
pub(crate) struct Search {
    pub(crate) config: Value,
    pub(crate) with_models: bool,
    /// 0 is no limit.
    pub(crate) limit: u64,
}

/// A [`List`] of any type.
pub(crate) trait ErasedList<C>: Validated {
    fn list(self: Arc<Self>, call: Call<C>, search: Search) -> mpsc::Receiver<Event>;
}

impl<L: List> ErasedList<<Listed<L> as Resource>::Client> for Registered<L> {
    fn list(self: Arc<Self>, call: Call<<Listed<L> as Resource>::Client>, search: Search) -> mpsc::Receiver<Event> {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let name = Listed::<L>::NAME;
        let span = tracing::debug_span!("rpc", tf_rpc = "ListResource", tf_resource_type = name);
        let task = async move {
            let (ctx, limits) = call.start(format!("The list of `{name}`"), READ_ADVICE, L::TIMEOUT);
            let results = Results::<L>::new(sender.clone(), search.with_models, search.limit);
            let listed =
                limited(&limits, async { self.inner.list(&ctx, L::Config::decode(&search.config)?, &results).await });
            let ended = tokio::select! {
                ended = listed => ended,
                () = sender.closed() => {
                    tracing::debug!("the client went away");
                    return;
                }
            };
            let mut diagnostics = ctx.warnings();
            diagnostics.extend(ended.err().into_iter().flat_map(|fault| fault.diagnostics));
            if !diagnostics.is_empty() {
                let _ = sender.send(complaint(&diagnostics)).await;
            }
        };
        tokio::spawn(task.instrument(span));
        receiver
    }
}

/// The event for something that was found, or for why it can't be shown.
pub(crate) fn found(resource: &str, identity: (Type, Value), name: String, model: Option<(Type, Value)>) -> Event {
    let event = || -> Result<Event, Fault> {
        check::wholly_known(resource, &identity.1)?;
        let resource_object = match &model {
            Some((ty, model)) => {
                check::wholly_known(resource, model)?;
                Some(convert::dynamic(ty, model)?)
            }
            None => None,
        };
        Ok(Event {
            identity: Some(identity::data(&identity.0, &identity.1)?),
            display_name: name,
            resource_object,
            diagnostic: Vec::new(),
        })
    };
    event().unwrap_or_else(|fault| complaint(&fault.diagnostics))
}

fn complaint(diagnostics: &Diagnostics) -> Event {
    Event { diagnostic: convert::diagnostics(diagnostics), ..Event::default() }
}

impl<P: Provider> Service<P> {
    pub(super) fn lister(&self, name: &str) -> Result<&Arc<dyn ErasedList<P::Client>>, Fault> {
        self.server.lists.get(name).ok_or_else(|| unknown_type("list resource", name))
    }

    pub(super) async fn answer_list(
        &self,
        request: list_resource::Request,
    ) -> impl Stream<Item = Result<Event, Status>> + Send + 'static {
        let begun = self.work("ListResource", &request.type_name, async {
            let one = self.lister(&request.type_name)?;
            let search = Search {
                config: convert::value(&one.schema().block.ty(), request.config.as_ref())?,
                with_models: request.include_resource_object,
                limit: u64::try_from(request.limit).unwrap_or_default(),
            };
            Ok(Arc::clone(one).list(self.call()?, search))
        });
        let events = begun.await.unwrap_or_else(|fault| {
            let (sender, receiver) = mpsc::channel(1);
            let _ = sender.try_send(complaint(&fault.diagnostics));
            receiver
        });
        futures::StreamExt::map(ReceiverStream::new(events), Ok)
    }
}
