use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    ops::ControlFlow,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::sync::mpsc;

use crate::{
    Context, Diagnostics, Fault, Identified, Model, Resource, Typed, plan, proto::tfplugin5::list_resource::Event,
    server,
};

/// The resource that a list is about.
pub type Listed<L> = <<L as List>::Identified as Identified>::Resource;

/// Finds what exists, whether Terraform knows of it or not: `terraform query` (Terraform 1.14 and later).
///
/// A list has the name of its resource, which must have an identity.
pub trait List: Send + Sync + Sized + 'static {
    /// What is listed, by its identity.
    type Identified: Identified;

    /// What the user writes to narrow it down; nothing in it is computed.
    type Config: Model;

    /// How long a list may take.
    const TIMEOUT: Duration = Duration::from_secs(10 * 60);

    /// Checks a configuration beyond what the schema says. Values may be unknown here, which means "can't tell, accept".
    fn validate(&self, config: &Self::Config, diags: &mut Diagnostics) {
        let _ = (config, diags);
    }

    /// Sends what it finds, one by one, as it finds it. When `results` says [`ControlFlow::Break`], enough was found and this
    /// should return.
    fn list(
        &self,
        ctx: &Context<<Listed<Self> as Resource>::Client>,
        config: Self::Config,
        results: &Results<Self>,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// Something that a [`List`] found.
#[derive(Debug, Clone)]
pub struct Found<L: List> {
    /// Its identity, with which it can be imported; wholly known.
    pub identity: <L::Identified as Identified>::Identity,
    /// What people call it.
    pub name: String,
    /// Its state, wholly known; sent only if [`Results::with_models`].
    pub model: Option<<Listed<L> as Resource>::Model>,
}

/// Takes what a [`List`] finds.
pub struct Results<L: List> {
    sender: mpsc::Sender<Event>,
    with_models: bool,
    limit: u64,
    sent: AtomicU64,
    list: PhantomData<fn() -> L>,
}

impl<L: List> Results<L> {
    /// `limit` 0 is no limit.
    pub(crate) fn new(sender: mpsc::Sender<Event>, with_models: bool, limit: u64) -> Self {
        Self { sender, with_models, limit, sent: AtomicU64::new(0), list: PhantomData }
    }

    /// Whether Terraform wants the states too. If not, a list can save the calls that only they need.
    #[must_use]
    pub fn with_models(&self) -> bool {
        self.with_models
    }

    /// Hands over what was found; waits while Terraform is busy with what it got before. `Break`: Terraform wants no more.
    pub async fn send(&self, found: Found<L>) -> ControlFlow<()> {
        let before = self.sent.fetch_add(1, Ordering::Relaxed);
        if self.limit > 0 && before >= self.limit {
            return ControlFlow::Break(());
        }
        let model = found.model.filter(|_| self.with_models).map(|model| model.encode());
        let event = server::found(
            Listed::<L>::NAME,
            (<L::Identified as Identified>::Identity::ty(), found.identity.encode()),
            found.name,
            model.map(|model| {
                let block = <Listed<L> as Resource>::Model::block();
                (block.ty(), plan::without_write_only(&block, model))
            }),
        );
        if self.sender.send(event).await.is_err() || (self.limit > 0 && before + 1 >= self.limit) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

impl<L: List> fmt::Debug for Results<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Results").field("limit", &self.limit).field("sent", &self.sent).finish_non_exhaustive()
    }
}
