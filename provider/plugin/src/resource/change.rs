use super::Deferred;
use crate::{Diagnostics, Fault, Model, Path, Resource, Value};

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
    pub(crate) can_defer: bool,
    pub(crate) deferred: Option<Deferred>,
    pub(crate) meta: Value,
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
        Self {
            config,
            prior,
            planned,
            observation,
            intent: None,
            diags: Diagnostics::default(),
            replace: Vec::new(),
            can_defer: false,
            deferred: None,
            meta: Value::Null,
        }
    }

    /// The same of a Terraform that lets plans wait; for tests of a resource's plan.
    #[must_use]
    pub fn deferrable(mut self) -> Self {
        self.can_defer = true;
        self
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

    /// Whether Terraform lets this plan wait for a later run.
    #[must_use]
    pub fn can_defer(&self) -> bool {
        self.can_defer
    }

    /// Says that this can't be planned yet, and why. Terraform goes on with what is planned so far and plans the rest in a
    /// later run. One that knows of no such thing refuses the plan with `why`.
    pub fn defer(&mut self, reason: Deferred, why: &str) {
        match self.can_defer {
            true => self.deferred = Some(reason),
            false => self.diags.error(None, reason.summary(), why),
        }
    }

    /// What was given to [`defer`](Change::defer), if Terraform lets the plan wait.
    #[must_use]
    pub fn deferred(&self) -> Option<Deferred> {
        self.deferred
    }

    /// What the module says in its `provider_meta` block, which is of the type given to
    /// [`Server::provider_meta`](crate::Server::provider_meta); `None` if it says nothing.
    ///
    /// # Errors
    /// If it is of another type.
    pub fn meta<M: Model>(&self) -> Result<Option<M>, Fault> {
        if self.meta.is_null() { Ok(None) } else { Ok(Some(M::decode(&self.meta)?)) }
    }
}
