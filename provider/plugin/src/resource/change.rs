use crate::{Diagnostics, Path, Resource};

/// What [`Resource::plan`] gets and fills.
///
/// `planned` comes filled: the configuration, with defaults where it says nothing. Computed attributes that the configuration
/// leaves unset are unknown on create, and keep their prior value on update; `plan` marks unknown what its change affects.
/// A planned value may differ from the configuration only where the attribute is computed and unset there, or where it keeps
/// the prior value.
#[non_exhaustive]
pub struct Change<R: Resource> {
    /// What the user wrote; may hold unknown values.
    pub config: R::Model,
    /// The state; `None` on create.
    pub prior: Option<R::Model>,
    /// What apply shall end with.
    pub planned: R::Model,
    /// What the last read saw; `None` on create, and if nobody looked.
    pub observation: Option<R::Observation>,
    /// What apply shall be told; comes empty.
    pub intent: Option<R::Intent>,
    /// Warnings, and errors that refuse the plan.
    pub diags: Diagnostics,
    pub(crate) replace: Vec<Path>,
}

impl<R: Resource> Change<R> {
    /// A change as `plan` would get it; for tests of a resource's plan.
    #[must_use]
    pub fn new(
        config: R::Model,
        prior: Option<R::Model>,
        planned: R::Model,
        observation: Option<R::Observation>,
    ) -> Self {
        Self { config, prior, planned, observation, intent: None, diags: Diagnostics::default(), replace: Vec::new() }
    }

    /// Whether there is nothing yet, or the thing is being replaced.
    #[must_use]
    pub fn is_create(&self) -> bool {
        self.prior.is_none()
    }

    /// Says that the thing must be destroyed and created anew because of the change at `path`. Counts only if the value there
    /// really changes, and not on create.
    pub fn replace(&mut self, path: Path) {
        self.replace.push(path);
    }

    /// The paths given to [`replace`](Change::replace).
    #[must_use]
    pub fn replaces(&self) -> &[Path] {
        &self.replace
    }
}
