//! A [`Server`] at work: what all calls share.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use tokio_util::sync::CancellationToken;
use tonic::{Response, Status};
use tracing::Instrument;

use super::{
    Server, convert,
    erased::{Call, ErasedDataSource, ErasedResource},
    guard::caught,
};
use crate::{
    Deferred, Diagnostics, Fault, Provider, Value,
    proto::tfplugin5::{self as proto, ClientCapabilities, DynamicValue},
    resource::{Locks, Surroundings},
    schema,
};

/// A [`Server`] at work.
pub(crate) struct Service<P: Provider> {
    pub(super) server: Server<P>,
    configured: RwLock<Option<Configured<P::Client>>>,
    /// Fires on Stop, and is then replaced by a fresh one.
    cancel: Mutex<CancellationToken>,
    locks: Arc<Locks>,
    calls: AtomicU64,
}

/// What the newest Configure made.
struct Configured<C> {
    client: Arc<C>,
    /// Why everything has to wait.
    deferred: Option<Deferred>,
}

pub(super) type Answer<T> = Result<Response<T>, Status>;

impl<P: Provider> Service<P> {
    pub(crate) fn new(server: Server<P>) -> Self {
        Self {
            server,
            configured: RwLock::new(None),
            cancel: Mutex::new(CancellationToken::new()),
            locks: Arc::default(),
            calls: AtomicU64::new(0),
        }
    }

    /// Does the work of a call: panics become faults, and the log says who asked for what.
    pub(super) async fn work<T>(
        &self,
        rpc: &'static str,
        type_name: &str,
        work: impl Future<Output = Result<T, Fault>> + Send,
    ) -> Result<T, Fault> {
        let id = self.calls.fetch_add(1, Ordering::Relaxed);
        let span = tracing::debug_span!(
            "rpc",
            tf_rpc = rpc,
            tf_req_id = id,
            tf_resource_type = type_name,
            tf_provider_addr = %self.server.address,
        );
        let start = Instant::now();
        let timed = async {
            let result = caught(work).await;
            let duration = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
            match &result {
                Ok(_) => tracing::debug!(tf_req_duration_ms = duration, "served"),
                Err(fault) => tracing::debug!(tf_req_duration_ms = duration, %fault, "failed"),
            }
            result
        };
        timed.instrument(span).await
    }

    pub(super) fn resource(&self, name: &str) -> Result<&dyn ErasedResource<P::Client>, Fault> {
        self.server.resources.get(name).map(AsRef::as_ref).ok_or_else(|| unknown_type("resource", name))
    }

    pub(super) fn data_source(&self, name: &str) -> Result<&dyn ErasedDataSource<P::Client>, Fault> {
        self.server.data_sources.get(name).map(AsRef::as_ref).ok_or_else(|| unknown_type("data source", name))
    }

    /// The newest client counts.
    pub(super) fn set_configured(&self, client: P::Client, deferred: Option<Deferred>) {
        let configured = Configured { client: Arc::new(client), deferred };
        *self.configured.write().unwrap_or_else(PoisonError::into_inner) = Some(configured);
    }

    /// Why a call has to wait that the provider's configuration makes wait, if Terraform lets it.
    pub(super) fn deferred(&self, capabilities: Option<&ClientCapabilities>) -> Option<Deferred> {
        if !can_defer(capabilities) {
            return None;
        }
        let configured = self.configured.read().unwrap_or_else(PoisonError::into_inner);
        configured.as_ref().and_then(|configured| configured.deferred)
    }

    /// What a module says to the provider in its `provider_meta` block; null if it says nothing.
    pub(super) fn meta(&self, message: Option<&DynamicValue>) -> Result<Value, Fault> {
        let Some(schema) = self.server.meta else { return Ok(Value::Null) };
        let block = schema().block;
        let meta = convert::value(&block.ty(), message)?;
        let found = schema::validate(&block, &meta);
        if found.has_errors() { Err(found.into()) } else { Ok(meta) }
    }

    pub(super) fn call(&self) -> Result<Call<P::Client>, Fault> {
        self.call_with(None, Value::Null)
    }

    /// A call of a client that can do something, on behalf of a module that says something.
    pub(super) fn call_with(
        &self,
        capabilities: Option<&ClientCapabilities>,
        meta: Value,
    ) -> Result<Call<P::Client>, Fault> {
        let configured = self.configured.read().unwrap_or_else(PoisonError::into_inner);
        let Some(client) = configured.as_ref().map(|configured| Arc::clone(&configured.client)) else {
            return Err(Fault::new(
                "The provider isn't configured",
                "Terraform asked for a look at the world before it configured the provider. This is a bug of one of both.",
            ));
        };
        let cancel = self.cancel.lock().unwrap_or_else(PoisonError::into_inner).child_token();
        let surroundings = Surroundings::new(can_defer(capabilities), meta, Arc::clone(&self.locks));
        Ok(Call { client, cancel, grace: self.server.grace, surroundings: Arc::new(surroundings) })
    }

    /// In debug mode, one process serves several commands: the next one must not begin stopped.
    pub(super) fn stop(&self) {
        let mut cancel = self.cancel.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *cancel).cancel();
    }
}

pub(super) fn can_defer(capabilities: Option<&ClientCapabilities>) -> bool {
    capabilities.is_some_and(|capabilities| capabilities.deferral_allowed)
}

pub(super) fn unknown_type(kind: &str, name: &str) -> Fault {
    Fault::new(format!("Unknown {kind}"), format!("This version of the provider has no {kind} `{name}`."))
}

pub(super) fn said(result: Result<Diagnostics, Fault>) -> Vec<proto::Diagnostic> {
    convert::diagnostics(&result.unwrap_or_else(|fault| fault.diagnostics))
}

pub(super) fn split<T>(result: Result<T, Fault>) -> (Option<T>, Vec<proto::Diagnostic>) {
    match result {
        Ok(value) => (Some(value), Vec::new()),
        Err(fault) => (None, convert::diagnostics(&fault.diagnostics)),
    }
}
