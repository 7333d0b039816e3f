//! How long a caller is ready to wait.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

/// Why a wait ended before what it waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Interrupted {
    /// The deadline passed.
    #[error("the time for it ran out")]
    Deadline,
    /// Terraform asked the provider to stop.
    #[error("it was interrupted")]
    Cancelled,
}

/// When to look again: each 100 ms at first, then after a sixteenth of what was waited already, at most after 5 s. A wait so ends
/// at most a sixteenth later than what it waits for, and a long one asks seldom.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    begun: Instant,
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Pace {
    /// The wait begins now.
    pub fn begin() -> Self {
        Self { begun: Instant::now() }
    }

    /// How long to pause now.
    pub fn pause(&self) -> Duration {
        pause_after(self.begun.elapsed())
    }
}

fn pause_after(waited: Duration) -> Duration {
    (waited / 16).clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
}

/// A deadline and a cancellation, for everything that polls.
#[derive(Clone, Debug)]
pub struct Wait {
    /// When to give up.
    pub deadline: Instant,
    /// Fires when Terraform sends Stop.
    pub cancel: CancellationToken,
}

impl Wait {
    /// Until `deadline`, or until `cancel` fires.
    pub fn new(deadline: Instant, cancel: CancellationToken) -> Self {
        Self { deadline, cancel }
    }

    /// For `duration` from now, without a way to stop it.
    pub fn at_most(duration: Duration) -> Self {
        Self::new(Instant::now() + duration, CancellationToken::new())
    }

    /// The same wait, but not longer than `duration` from now.
    #[must_use]
    pub fn within(&self, duration: Duration) -> Self {
        Self { deadline: self.deadline.min(Instant::now() + duration), ..self.clone() }
    }

    /// What is left of it.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Errs if it is already over.
    pub fn check(&self) -> Result<(), Interrupted> {
        if self.cancel.is_cancelled() {
            return Err(Interrupted::Cancelled);
        }
        if Instant::now() >= self.deadline {
            return Err(Interrupted::Deadline);
        }
        Ok(())
    }

    /// Sleeps for `pause`, or errs as soon as the wait is over.
    pub async fn pause(&self, pause: Duration) -> Result<(), Interrupted> {
        self.run(sleep(pause)).await
    }

    /// Runs `work` to its end, or errs as soon as the wait is over (`work` is dropped then).
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> Result<T, Interrupted> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Interrupted::Cancelled),
            result = timeout_at(self.deadline, work) => result.map_err(|_| Interrupted::Deadline),
        }
    }

    /// Looks again and again, at a [`Pace`], until `look` gives `Some`. Its errors end the wait.
    pub async fn until<T, E, F>(&self, mut look: impl FnMut() -> F) -> Result<T, E>
    where
        E: From<Interrupted>,
        F: Future<Output = Result<Option<T>, E>>,
    {
        let pace = Pace::begin();
        loop {
            if let Some(found) = self.run(look()).await?? {
                return Ok(found);
            }
            self.pause(pace.pause()).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::at_once(0, 100)]
    #[case::still_fast(1_600, 100)]
    #[case::a_restart(16_000, 1_000)]
    #[case::a_cluster(600_000, 5_000)]
    fn looks_ever_less_often(#[case] waited: u64, #[case] pause: u64) {
        assert_eq!(pause_after(Duration::from_millis(waited)), Duration::from_millis(pause));
    }

    #[tokio::test]
    async fn ends_at_the_deadline() {
        let wait = Wait::at_most(Duration::from_millis(250));
        let result: Result<(), Interrupted> = wait.until(|| async { Ok(None) }).await;
        assert_eq!(result, Err(Interrupted::Deadline));
    }

    #[tokio::test]
    async fn ends_with_cancellation() {
        let wait = Wait::at_most(Duration::from_secs(3600));
        let cancel = wait.cancel.clone();
        tokio::spawn(async move {
            sleep(Duration::from_millis(150)).await;
            cancel.cancel();
        });
        let started = Instant::now();
        let result: Result<(), Interrupted> = wait.until(|| async { Ok(None) }).await;
        assert_eq!(result, Err(Interrupted::Cancelled));
        assert!(started.elapsed() < Duration::from_secs(5));
    }

    #[tokio::test]
    async fn a_hanging_look_does_not_outlive_the_deadline() {
        let wait = Wait::at_most(Duration::from_millis(200));
        let result: Result<(), Interrupted> = wait.until(std::future::pending).await;
        assert_eq!(result, Err(Interrupted::Deadline));
    }

    #[tokio::test]
    async fn gives_what_was_found() {
        let mut looks = 0;
        let wait = Wait::at_most(Duration::from_secs(10));
        let found: Result<i32, Interrupted> = wait
            .until(|| {
                looks += 1;
                let seen = (looks == 3).then_some(looks);
                async move { Ok(seen) }
            })
            .await;
        assert_eq!(found.unwrap(), 3);
    }
}
