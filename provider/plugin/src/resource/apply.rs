use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{Resource, resource::Seen};

/// What [`Resource::create`] and [`Resource::update`] get.
#[non_exhaustive]
pub struct Apply<R: Resource> {
    /// What the user wrote, wholly known.
    pub config: R::Model,
    /// The state; `None` on create.
    pub prior: Option<R::Model>,
    /// What the plan promised: whatever is known here, the result must repeat.
    pub planned: R::Model,
    /// What the last read saw before the plan; `None` on create.
    pub observation: Option<R::Observation>,
    /// What the plan decided.
    pub intent: Option<R::Intent>,
    /// Takes the truth so far.
    pub save: Saver<R>,
}

impl<R: Resource> Apply<R> {
    /// An apply as `create` or `update` would get it; for tests of a resource.
    #[must_use]
    pub fn new(
        config: R::Model,
        prior: Option<R::Model>,
        planned: R::Model,
        observation: Option<R::Observation>,
        intent: Option<R::Intent>,
    ) -> Self {
        Self { config, prior, planned, observation, intent, save: Saver::default() }
    }
}

/// What [`Resource::delete`] gets.
#[non_exhaustive]
pub struct Delete<R: Resource> {
    /// The state.
    pub prior: R::Model,
    /// What the last read saw.
    pub observation: Option<R::Observation>,
    /// Takes the truth so far, if the deletion can end half-way.
    pub save: Saver<R>,
}

impl<R: Resource> Delete<R> {
    /// A deletion as `delete` would get it; for tests of a resource.
    #[must_use]
    pub fn new(prior: R::Model, observation: Option<R::Observation>) -> Self {
        Self { prior, observation, save: Saver::default() }
    }
}

/// Keeps the truth so far.
///
/// It is what Terraform stores if the call then fails, panics, runs out of time or is stopped. Computed attributes that are still
/// unknown are stored as null. Copies share one memory: hand it to whatever makes progress.
pub struct Saver<R: Resource> {
    saved: Arc<Mutex<Option<Seen<R>>>>,
}

impl<R: Resource> Saver<R> {
    /// Replaces what was saved before.
    pub fn save(&self, model: R::Model, observation: R::Observation) {
        *self.saved.lock().unwrap_or_else(PoisonError::into_inner) = Some((model, observation));
    }

    /// What was saved last.
    #[must_use]
    pub fn saved(&self) -> Option<Seen<R>> {
        self.saved.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<R: Resource> Default for Saver<R> {
    fn default() -> Self {
        Self { saved: Arc::new(Mutex::new(None)) }
    }
}

impl<R: Resource> Clone for Saver<R> {
    fn clone(&self) -> Self {
        Self { saved: Arc::clone(&self.saved) }
    }
}

impl<R: Resource> fmt::Debug for Saver<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Saver").field("saved", &self.saved()).finish()
    }
}
