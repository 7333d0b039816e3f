//! What a kubelet reports of containers: init containers that end, processes that start, get ready and die, and their logs.

use serde_json::{Value, json};

use super::stamp;
use super::store::Store;
use super::views::{self, items, text};

impl Store {
    /// The running init container ends well; the kubelet starts the next one.
    pub fn finish_init(&mut self, namespace: &str, pod: &str, container: &str) -> bool {
        self.kubelet(namespace, pod, |object| {
            let now = stamp::now();
            let mut next = false;
            let Some(list) = object["status"]["initContainerStatuses"].as_array_mut() else { return };
            for status in list {
                if status["name"] == container {
                    let started = status["state"]["running"]["startedAt"].clone();
                    status["state"] = json!({"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": started, "finishedAt": now}});
                    status["ready"] = json!(true);
                    next = true;
                } else if next && status["state"].get("waiting").is_some() {
                    status["state"] = json!({"running": {"startedAt": now}});
                    return;
                }
            }
            if items(object, "/status/initContainerStatuses").iter().all(|s| s["state"].get("terminated").is_some()) {
                views::set_condition(object, "Initialized", true, "", "");
            }
        })
    }

    /// An init container fails; with a restart policy other than Never it is started again at once and counted.
    pub fn fail_init(&mut self, namespace: &str, pod: &str, container: &str, code: i32, message: &str) -> bool {
        self.kubelet(namespace, pod, |object| {
            let never = object["spec"]["restartPolicy"] == "Never";
            let Some(list) = object["status"]["initContainerStatuses"].as_array_mut() else { return };
            for status in list.iter_mut().filter(|s| s["name"] == container) {
                let ended = ended(code, message);
                if never {
                    status["state"] = ended;
                } else {
                    status["lastState"] = ended;
                    status["restartCount"] = json!(status["restartCount"].as_i64().unwrap_or(0) + 1);
                    status["state"] = json!({"running": {"startedAt": stamp::now()}});
                }
            }
            if never {
                object["status"]["phase"] = json!("Failed");
            }
        })
    }

    /// All containers run: phase Running, not ready yet.
    pub fn start_pod(&mut self, namespace: &str, pod: &str) -> bool {
        self.kubelet(namespace, pod, |object| {
            object["status"]["phase"] = json!("Running");
            let now = stamp::now();
            for status in object["status"]["containerStatuses"].as_array_mut().into_iter().flatten() {
                if status["state"].get("running").is_none() {
                    status["state"] = json!({"running": {"startedAt": now}});
                }
                status["started"] = json!(true);
            }
        })
    }

    /// Whether the pod is ready.
    pub fn set_ready(&mut self, namespace: &str, pod: &str, ready: bool) -> bool {
        self.kubelet(namespace, pod, |object| {
            for status in object["status"]["containerStatuses"].as_array_mut().into_iter().flatten() {
                status["ready"] = json!(ready);
            }
            let (reason, message) =
                if ready { ("", "") } else { ("ContainersNotReady", "containers with unready status") };
            views::set_condition(object, "ContainersReady", ready, reason, message);
            views::set_condition(object, "Ready", ready, reason, message);
        })
    }

    /// All containers end with this code and termination message (4096 bytes at most). By the restart policy the pod is then Succeeded,
    /// Failed, or in CrashLoopBackOff until [`Store::start_pod`].
    pub fn terminate_pod(&mut self, namespace: &str, pod: &str, code: i32, message: &str) -> bool {
        let message: String = message.chars().take(4096).collect();
        self.kubelet(namespace, pod, |object| {
            let policy = text(object, "/spec/restartPolicy").to_owned();
            let restarts = policy == "Always" || (policy == "OnFailure" && code != 0);
            for status in object["status"]["containerStatuses"].as_array_mut().into_iter().flatten() {
                status["ready"] = json!(false);
                status["started"] = json!(false);
                if restarts {
                    status["lastState"] = ended(code, &message);
                    status["restartCount"] = json!(status["restartCount"].as_i64().unwrap_or(0) + 1);
                    status["state"] = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}});
                } else {
                    status["state"] = ended(code, &message);
                }
            }
            if !restarts {
                object["status"]["phase"] = json!(if code == 0 { "Succeeded" } else { "Failed" });
            }
            let reason = if code == 0 && !restarts { "PodCompleted" } else { "ContainersNotReady" };
            views::set_condition(object, "ContainersReady", false, reason, "");
            views::set_condition(object, "Ready", false, reason, "");
        })
    }

    /// Sets the phase alone.
    pub fn set_pod_phase(&mut self, namespace: &str, pod: &str, phase: &str) -> bool {
        self.kubelet(namespace, pod, |object| object["status"]["phase"] = json!(phase))
    }

    /// Appends a line to a container's log.
    pub fn log(&mut self, namespace: &str, pod: &str, container: &str, line: &str) {
        let Some(uid) = self.pod(namespace, pod).map(|pod| pod.uid().to_owned()) else { return };
        let log = self.logs.entry((uid, container.to_owned())).or_default();
        log.push_str(line);
        log.push('\n');
        if log.len() > 65_536 {
            let cut = log.char_indices().map(|(at, _)| at).find(|at| *at >= 32_768).unwrap_or(0);
            log.drain(..cut);
        }
    }

    /// The log of a container, or its last lines.
    #[must_use]
    pub fn logged(&self, uid: &str, container: &str, tail: Option<usize>) -> String {
        let text = self.logs.get(&(uid.to_owned(), container.to_owned())).cloned().unwrap_or_default();
        let Some(count) = tail else { return text };
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(count)..].iter().map(|line| format!("{line}\n")).collect()
    }
}

fn ended(code: i32, message: &str) -> Value {
    let now = stamp::now();
    let mut ended = json!({"exitCode": code, "reason": if code == 0 { "Completed" } else { "Error" }, "startedAt": now, "finishedAt": now});
    if !message.is_empty() {
        ended["message"] = json!(message);
    }
    json!({"terminated": ended})
}
