//! What stands around every call into a provider's code.
//!
//! A panic would reset the stream: Terraform then reports "Request cancelled" and forgets what was being made. A call that never
//! returns would hold Terraform until it is killed, with the same end. Both become faults here, and whoever called adds the state
//! that really exists.

use std::{any::Any, future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{Fault, format_duration, mask, resource::Surroundings, wire::panic};

/// When a call must have ended.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// What it is called in messages: "The creation of `c8_region`".
    pub(crate) what: String,
    /// What the user can do when it didn't end.
    pub(crate) advice: &'static str,
    /// The time it was given, for the message.
    pub(crate) timeout: Duration,
    pub(crate) deadline: Instant,
    pub(crate) cancel: CancellationToken,
    /// How long it may go on after its deadline or after the user stopped it, to end by itself with a better message than ours.
    pub(crate) grace: Duration,
    /// Knows how long it waited for others, which doesn't count.
    pub(crate) surroundings: Arc<Surroundings>,
}

/// Runs a call to its end or to its limits.
pub(crate) async fn limited<T>(limits: &Limits, call: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    // dropped before its end, because the client is gone: what it started beside itself has to end, too
    let abandoned = limits.cancel.clone().drop_guard();
    let call = AssertUnwindSafe(call).catch_unwind();
    tokio::pin!(call);
    let ended = tokio::select! {
        biased;
        ended = &mut call => ended.unwrap_or_else(|payload| Err(panicked(payload.as_ref()))),
        () = expired(limits) => Err(Fault::new(
            "Timed out",
            format!("{} did not end within {}. {}", limits.what, format_duration(limits.timeout), limits.advice),
        )),
        () = stopped(limits) => Err(Fault::new(
            "Stopped",
            format!("{} was stopped before it ended. {}", limits.what, limits.advice),
        )),
    };
    abandoned.disarm();
    ended
}

async fn expired(limits: &Limits) {
    loop {
        let end = limits.deadline + limits.surroundings.waited() + limits.grace;
        if Instant::now() >= end {
            return;
        }
        sleep_until(end).await;
    }
}

async fn stopped(limits: &Limits) {
    limits.cancel.cancelled().await;
    sleep(limits.grace).await;
}

/// Turns a panic into a fault; for calls without limits.
pub(crate) async fn caught<T>(call: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    AssertUnwindSafe(call).catch_unwind().await.unwrap_or_else(|payload| Err(panicked(payload.as_ref())))
}

fn panicked(payload: &(dyn Any + Send)) -> Fault {
    Fault::new(
        "The provider panicked",
        format!(
            "This is a bug of the provider, please report it: {}. The state keeps what was saved before.",
            mask::masked(panic::message(payload))
        ),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    fn limits(cancel: &CancellationToken) -> Limits {
        Limits {
            what: "The creation of `a_thing`".to_owned(),
            advice: "Run it again.",
            timeout: Duration::from_millis(300),
            deadline: Instant::now() + Duration::from_millis(300),
            cancel: cancel.clone(),
            grace: Duration::from_millis(100),
            surroundings: Arc::default(),
        }
    }

    fn summary(result: Result<(), Fault>) -> String {
        result.unwrap_err().diagnostics.iter().next().unwrap().summary.clone()
    }

    #[tokio::test]
    async fn ends_what_does_not_end() {
        let start = Instant::now();
        let limits = limits(&CancellationToken::new());
        assert_eq!(summary(limited(&limits, std::future::pending()).await), "Timed out");
        assert!(start.elapsed() >= Duration::from_millis(400));
    }

    #[tokio::test]
    async fn a_stopped_call_gets_its_grace() {
        let cancel = CancellationToken::new();
        let limits = limits(&cancel);
        cancel.cancel();
        let polite = async {
            sleep(Duration::from_millis(20)).await;
            Err(Fault::new("Ended by itself", ""))
        };
        assert_eq!(summary(limited(&limits, polite).await), "Ended by itself");
        let start = Instant::now();
        assert_eq!(summary(limited(&limits, std::future::pending()).await), "Stopped");
        assert!(start.elapsed() >= Duration::from_millis(100));
    }

    #[tokio::test]
    async fn what_waits_for_others_is_not_late() {
        let limits = limits(&CancellationToken::new());
        let start = Instant::now();
        let waits = async {
            let queue = limits.surroundings.queue();
            sleep(Duration::from_millis(700)).await;
            drop(queue);
            std::future::pending().await
        };
        assert_eq!(summary(limited(&limits, waits).await), "Timed out");
        // 300 ms to work, 100 ms of grace, and the time in the queue on top
        assert!(start.elapsed() >= Duration::from_millis(1100), "{:?}", start.elapsed());
    }

    #[tokio::test]
    async fn a_call_that_nobody_waits_for_is_cancelled_and_one_that_ends_is_not() {
        let cancel = CancellationToken::new();
        let limits = limits(&cancel);
        limited(&limits, async { Ok(()) }).await.unwrap();
        assert!(!cancel.is_cancelled());
        let mut call = Box::pin(limited::<()>(&limits, std::future::pending()));
        assert!(futures::poll!(&mut call).is_pending());
        drop(call);
        assert!(cancel.is_cancelled());
    }

    #[tokio::test]
    async fn a_panic_is_a_fault() {
        let call = async { panic!("ouch {}", 7) };
        let fault = limited::<()>(&limits(&CancellationToken::new()), call).await.unwrap_err();
        assert!(fault.to_string().contains("ouch 7"), "{fault}");
        let fault = caught::<()>(async { panic!("plain") }).await.unwrap_err();
        assert!(fault.to_string().contains("plain"), "{fault}");
    }
}
