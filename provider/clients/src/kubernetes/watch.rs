//! Waiting by looking, until a deadline or Stop. An API server that is away for a moment does not end a wait.

use std::sync::Mutex;

use serde_json::Value;

use super::{Error, Kubernetes, ObjectRef};
use crate::{Interrupted, Wait};

enum Stop {
    Error(Error),
    Interrupted(Interrupted),
}

impl From<Interrupted> for Stop {
    fn from(why: Interrupted) -> Self {
        Self::Interrupted(why)
    }
}

/// What a look at an object says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen<T> {
    /// Enough.
    Done(T),
    /// Not yet, and what is there now.
    NotYet(String),
}

impl Kubernetes {
    /// Looks at an object (`None`: absent) until `judge` is content. What it saw last is told when the time runs out.
    pub(crate) async fn watch<T>(
        &self,
        object: &ObjectRef,
        goal: &str,
        wait: &Wait,
        judge: impl Fn(Option<&Value>) -> Result<Seen<T>, Error>,
    ) -> Result<T, Error> {
        let last = Mutex::new(None::<String>);
        let remember = |text: String| {
            if let Ok(mut last) = last.lock() {
                *last = Some(text);
            }
        };
        let look = || async {
            match self.find(object).await {
                Ok(found) => match judge(found.as_ref()).map_err(Stop::Error)? {
                    Seen::Done(value) => Ok(Some(value)),
                    Seen::NotYet(text) => {
                        remember(text);
                        Ok(None)
                    }
                },
                Err(error) if error.is_unreachable() => {
                    remember(error.to_string());
                    Ok(None)
                }
                Err(error) => Err(Stop::Error(error)),
            }
        };
        wait.until(look).await.map_err(|stop| match stop {
            Stop::Error(error) => error,
            Stop::Interrupted(why) => {
                let last = last.lock().ok().and_then(|mut last| last.take());
                Error::Interrupted { what: format!("{object} to {goal}"), why, last }
            }
        })
    }

    /// Until the object with this UID is gone; another one of the same name does not count.
    pub async fn deleted(&self, object: &ObjectRef, uid: &str, wait: &Wait) -> Result<(), Error> {
        self.watch(object, "be gone", wait, |found| {
            let Some(found) = found else { return Ok(Seen::Done(())) };
            if text(found, "/metadata/uid") != uid {
                return Ok(Seen::Done(()));
            }
            let finalizers = found.pointer("/metadata/finalizers").map(ToString::to_string).unwrap_or_default();
            Ok(Seen::NotYet(if finalizers.is_empty() {
                "it is still there".to_owned()
            } else {
                format!("its finalizers are {finalizers}")
            }))
        })
        .await
    }

    /// Until a pod has Succeeded or Failed, or its containers have ended: they say what they saw seconds before a kubelet
    /// has taken the pod down and names its phase. For pods that never restart. Gives the pod.
    pub async fn pod_finished(&self, pod: &ObjectRef, wait: &Wait) -> Result<Value, Error> {
        self.watch(pod, "finish", wait, |found| {
            let Some(found) = found else { return Err(Error::NotFound { what: pod.to_string() }) };
            match text(found, "/status/phase") {
                "Succeeded" | "Failed" => Ok(Seen::Done(found.clone())),
                _ if all_ended(found) => Ok(Seen::Done(found.clone())),
                phase => Ok(Seen::NotYet(waiting_reason(found).unwrap_or_else(|| format!("its phase is {phase}")))),
            }
        })
        .await
    }

    /// Until a StatefulSet or Deployment has rolled out: its controller has seen the last change, and as many replicas as
    /// it asks for are there, up to date and ready.
    pub async fn rolled_out(&self, object: &ObjectRef, wait: &Wait) -> Result<Value, Error> {
        self.watch(object, "be ready", wait, |found| {
            let Some(found) = found else { return Ok(Seen::NotYet("it does not exist".to_owned())) };
            Ok(match rollout(found) {
                Ok(()) => Seen::Done(found.clone()),
                Err(text) => Seen::NotYet(text),
            })
        })
        .await
    }
}

fn all_ended(pod: &Value) -> bool {
    let statuses = pod.pointer("/status/containerStatuses").and_then(Value::as_array);
    statuses.is_some_and(|all| !all.is_empty() && all.iter().all(|one| one.pointer("/state/terminated").is_some()))
}

/// `Err` says how far it is.
pub(super) fn rollout(object: &Value) -> Result<(), String> {
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64);
    let wanted = number("/spec/replicas").unwrap_or(1);
    let status = |field: &str| number(&format!("/status/{field}")).unwrap_or(0);
    if number("/status/observedGeneration").unwrap_or(0) < number("/metadata/generation").unwrap_or(0) {
        return Err("its controller has not seen the change yet".to_owned());
    }
    let (all, ready) = (status("replicas"), status("readyReplicas"));
    // `updatedReplicas` is absent where nothing was ever updated in some versions; revisions tell it better there.
    let same_revision = text(object, "/status/currentRevision") == text(object, "/status/updateRevision");
    let updated = if object["kind"] == "StatefulSet" && same_revision { all } else { status("updatedReplicas") };
    if all != wanted || ready != wanted || updated != wanted {
        return Err(format!("{ready} of {wanted} replicas are ready, {updated} up to date, {all} there"));
    }
    Ok(())
}

pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// `ImagePullBackOff: Back-off pulling image "…"`
pub(super) fn waiting_reason(pod: &Value) -> Option<String> {
    let statuses = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let containers = statuses.iter().filter_map(|pointer| pod.pointer(pointer)).filter_map(Value::as_array).flatten();
    let waiting =
        containers.filter_map(|status| status.pointer("/state/waiting")).find(|state| state["reason"].is_string())?;
    let reason = waiting["reason"].as_str()?;
    Some(match waiting["message"].as_str() {
        Some(message) => format!("{reason}: {message}"),
        None => reason.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(json!({ "metadata": { "generation": 2 }, "spec": { "replicas": 1 }, "status": { "observedGeneration": 1, "replicas": 1, "readyReplicas": 1, "updatedReplicas": 1 } }), Err("its controller has not seen the change yet"))]
    #[case(json!({ "spec": { "replicas": 4 }, "status": { "replicas": 4, "readyReplicas": 3, "updatedReplicas": 4 } }), Err("3 of 4 replicas are ready, 4 up to date, 4 there"))]
    #[case(json!({ "spec": { "replicas": 0 }, "status": { "replicas": 1 } }), Err("0 of 0 replicas are ready, 0 up to date, 1 there"))]
    #[case(json!({ "spec": { "replicas": 0 }, "status": {} }), Ok(()))]
    #[case(json!({ "kind": "StatefulSet", "spec": { "replicas": 1 }, "status": { "replicas": 1, "readyReplicas": 1, "currentRevision": "a", "updateRevision": "a" } }), Ok(()))]
    fn rollouts(#[case] object: Value, #[case] expected: Result<(), &str>) {
        assert_eq!(rollout(&object), expected.map_err(str::to_owned));
    }

    #[rstest]
    #[case::not_started(json!({ "status": { "phase": "Pending" } }), false)]
    #[case::none_reported(json!({ "status": { "phase": "Running", "containerStatuses": [] } }), false)]
    #[case::running(json!({ "status": { "containerStatuses": [{ "state": { "running": {} } }] } }), false)]
    #[case::one_of_two(json!({ "status": { "containerStatuses": [{ "state": { "terminated": {} } }, { "state": { "running": {} } }] } }), false)]
    #[case::ended(json!({ "status": { "phase": "Running", "containerStatuses": [{ "state": { "terminated": { "message": "0 ok" } } }] } }), true)]
    fn containers_end_before_their_pod(#[case] pod: Value, #[case] expected: bool) {
        assert_eq!(all_ended(&pod), expected);
    }
}
