use std::{fmt, marker::PhantomData};

use crate::{Fault, Model, Value, schema::Block, server::stored};

type Step = Box<dyn Fn(&Value) -> Result<Value, Fault> + Send + Sync>;

/// The way from the shapes that a state once had to that of today, a step a version.
///
/// The compiler checks that each step begins where the one before it ends, and
/// [`Server::upgrades`](crate::Server::upgrades) that the last one ends with the resource's model.
///
/// ```
/// use terraform_plugin::{Attr, Model, Upgrades};
///
/// /// A note, when it had a title.
/// #[derive(Clone, Debug, Default, PartialEq, Model)]
/// struct NoteV0 {
///     /// Its title.
///     #[tf(required)]
///     title: Attr<String>,
/// }
///
/// /// A note.
/// #[derive(Clone, Debug, Default, PartialEq, Model)]
/// struct Note {
///     /// Its name.
///     #[tf(required)]
///     name: Attr<String>,
/// }
///
/// let upgrades: Upgrades<Note> = Upgrades::from_version(0).then(|old: NoteV0| Ok(Note { name: old.title }));
/// assert_eq!(upgrades.version(), 1);
/// ```
pub struct Upgrades<M> {
    first: i64,
    shapes: Vec<fn() -> Block>,
    steps: Vec<Step>,
    newest: PhantomData<fn() -> M>,
}

impl<M: Model> Upgrades<M> {
    /// Begins with the oldest version that can still be read; `M` is the shape that it had.
    #[must_use]
    pub fn from_version(version: i64) -> Self {
        Self { first: version, shapes: vec![M::block], steps: Vec::new(), newest: PhantomData }
    }

    /// Adds the step to the next version.
    #[must_use]
    pub fn then<N: Model>(self, step: impl Fn(M) -> Result<N, Fault> + Send + Sync + 'static) -> Upgrades<N> {
        let Self { first, mut shapes, mut steps, .. } = self;
        shapes.push(N::block);
        steps.push(Box::new(move |old| Ok(step(M::decode(old)?)?.encode())));
        Upgrades { first, shapes, steps, newest: PhantomData }
    }

    /// The version that it ends with.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.first + i64::try_from(self.steps.len()).unwrap_or(i64::MAX)
    }

    pub(crate) fn erased(self) -> Chain {
        Chain { newest: self.version(), first: self.first, shapes: self.shapes, steps: self.steps }
    }
}

impl<M> fmt::Debug for Upgrades<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrades").field("first", &self.first).field("steps", &self.steps.len()).finish()
    }
}

/// [`Upgrades`] of any type.
pub(crate) struct Chain {
    pub(crate) newest: i64,
    pub(crate) first: i64,
    shapes: Vec<fn() -> Block>,
    steps: Vec<Step>,
}

impl Chain {
    /// The state in the newest shape; `None` if the version is too old or too new.
    pub(crate) fn upgrade(&self, version: i64, state: &[u8]) -> Result<Option<Value>, Fault> {
        let Some(position) = version.checked_sub(self.first).and_then(|position| usize::try_from(position).ok()) else {
            return Ok(None);
        };
        let (Some(shape), Some(steps)) = (self.shapes.get(position), self.steps.get(position..)) else {
            return Ok(None);
        };
        let old = stored(&shape(), state)?;
        steps.iter().try_fold(old, |value, step| step(&value)).map(Some)
    }
}
