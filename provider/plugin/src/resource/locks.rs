use std::{
    collections::HashMap,
    fmt,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use crate::Context;

/// Locks by key, of one process. Whoever asks first gets its turn first.
#[derive(Debug, Default)]
pub(crate) struct Locks(Mutex<HashMap<String, Weak<Turn<()>>>>);

impl Locks {
    /// The lock of a key; those that nobody holds or waits for are forgotten.
    fn of(&self, key: &str) -> Arc<Turn<()>> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|_, lock| lock.strong_count() > 0);
        if let Some(lock) = locks.get(key).and_then(Weak::upgrade) {
            return lock;
        }
        let lock = Arc::default();
        locks.insert(key.to_owned(), Arc::downgrade(&lock));
        lock
    }

    pub(crate) async fn lock(&self, key: &str) -> OwnedMutexGuard<()> {
        self.of(key).lock_owned().await
    }

    #[cfg(test)]
    fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// A [`Context`] whose holder is alone with a key, until this is dropped. See [`Context::lock`].
pub struct Locked<C> {
    ctx: Context<C>,
    _turn: OwnedMutexGuard<()>,
}

impl<C> Locked<C> {
    pub(super) fn new(ctx: Context<C>, turn: OwnedMutexGuard<()>) -> Self {
        Self { ctx, _turn: turn }
    }
}

impl<C> Deref for Locked<C> {
    type Target = Context<C>;

    fn deref(&self) -> &Context<C> {
        &self.ctx
    }
}

impl<C> fmt::Debug for Locked<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Locked").field(&self.ctx).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_has_one_holder_and_is_forgotten() {
        let locks = Locks::default();
        let one = locks.lock("a").await;
        let other = locks.lock("b").await;
        let mut third = Box::pin(locks.lock("a"));
        assert!(futures::poll!(&mut third).is_pending());
        drop(one);
        let third = third.await;
        assert_eq!(locks.count(), 2);
        drop((other, third));
        let _last = locks.lock("c").await;
        assert_eq!(locks.count(), 1);
    }
}
