//! What a pod of a region can resolve and reach.
//!
//! A firewall rule that is DONE is not yet effective, a stub domain that is written is not yet loaded, and a view from
//! outside proves neither. So a pod is asked: it runs a few lines of shell and writes what it saw as its termination
//! message. It is deleted in any case, also when the caller stops waiting.

use ring::rand::{SecureRandom, SystemRandom};
use serde::Serialize;
use serde_json::{Value, json};

use super::watch::text;
use super::{Delete, Error, Kubernetes, ObjectRef, POD};
use crate::Wait;

/// Image of the probe pods, the same as the gate's.
pub const IMAGE: &str = "busybox:1.36";
const MANAGER: &str = "terraform-provider-c8";

/// One question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeItem {
    /// Does this name resolve? The detail is its first address.
    Resolve(String),
    /// Does `host:port` accept a connection within 3 s, and 4 s with the look-up of its name?
    Connect(String),
}

impl ProbeItem {
    /// `host:port`
    pub fn connect(host: &str, port: u16) -> Self {
        Self::Connect(format!("{host}:{port}"))
    }
}

/// Its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeResult {
    /// The question.
    pub item: ProbeItem,
    /// Yes or no.
    pub ok: bool,
    /// An address, or why not.
    pub detail: String,
}

/// Runs a pod in `namespace` that answers all items, in their order.
pub async fn run(
    kubernetes: &Kubernetes,
    namespace: &str,
    items: &[ProbeItem],
    wait: &Wait,
) -> Result<Vec<ProbeResult>, Error> {
    if items.is_empty() {
        return Ok(Vec::new());
    }
    let name = format!("c8-probe-{}", nonce());
    let manifest = manifest(namespace, &name, items, wait.left().as_secs().max(1))?;
    let pod = POD.named(namespace, &name);
    // From here on it is deleted, whatever happens: also an ambiguous creation may have worked.
    let cleanup = Cleanup { kubernetes: kubernetes.clone(), pod: Some(pod.clone()) };
    let result = async {
        kubernetes.create(&manifest, MANAGER).await?;
        kubernetes.pod_finished(&pod, wait).await
    }
    .await;
    cleanup.now().await;
    parse(items, &result?)
}

struct Cleanup {
    kubernetes: Kubernetes,
    pod: Option<ObjectRef>,
}

impl Cleanup {
    async fn now(mut self) {
        if let Some(pod) = self.pod.take() {
            delete(&self.kubernetes, &pod).await;
        }
    }
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        if let (Some(pod), Ok(runtime)) = (self.pod.take(), tokio::runtime::Handle::try_current()) {
            let kubernetes = self.kubernetes.clone();
            runtime.spawn(async move { delete(&kubernetes, &pod).await });
        }
    }
}

async fn delete(kubernetes: &Kubernetes, pod: &ObjectRef) {
    let how = Delete { now: true, ..Delete::default() };
    if let Err(error) = kubernetes.delete(pod, &how).await {
        tracing::warn!(%pod, %error, "the probe pod could not be deleted; it ends by its own deadline");
    }
}

fn nonce() -> String {
    let mut bytes = [0_u8; 4];
    // Without randomness the name is always the same one, and a second probe at a time is refused: harmless.
    let _ = SystemRandom::new().fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn manifest(namespace: &str, name: &str, items: &[ProbeItem], deadline: u64) -> Result<Value, Error> {
    let invalid = |message: String| Error::Config { message };
    let list = serde_json::to_string(items).map_err(|error| invalid(error.to_string()))?;
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": { "app.kubernetes.io/component": "c8-probe", "app.kubernetes.io/managed-by": MANAGER },
        },
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": deadline,
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "securityContext": { "runAsNonRoot": true, "runAsUser": 65534, "seccompProfile": { "type": "RuntimeDefault" } },
            "containers": [{
                "name": "probe",
                "image": IMAGE,
                "command": ["sh", "-c", script(items)?],
                "env": [{ "name": "C8_PROBE", "value": list }],
                "resources": { "requests": { "cpu": "10m", "memory": "16Mi" }, "limits": { "memory": "64Mi" } },
                "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
            }],
        },
    }))
}

/// Functions, then a line for each item, all at the same time: a region that is lost keeps each of them waiting, and the
/// look-up of its names longer than the connection. busybox' nslookup prints the server's address before the first `Name:`.
fn script(items: &[ProbeItem]) -> Result<String, Error> {
    let mut script = String::from(concat!(
        "resolve() {\n",
        "  a=$(nslookup \"$2\" 2>/dev/null | awk '/^Name:/ { name = 1 } name && /^Address/ { print $NF }' | head -n 1)\n",
        "  if [ -n \"$a\" ]; then echo \"$1 ok $a\"; else echo \"$1 fail no address\"; fi\n",
        "}\n",
        "connect() {\n",
        // not `timeout`: a busybox may prefer its own nc to the image's, and that may lack -z
        "  nc -z -w 3 \"$2\" \"$3\" >/dev/null 2>&1 &\n",
        "  nc=$!\n",
        "  (sleep 4; kill $nc) >/dev/null 2>&1 &\n",
        "  if wait $nc; then echo \"$1 ok connected\"; else echo \"$1 fail no connection\"; fi\n",
        "  kill $! 2>/dev/null\n",
        "}\n",
        "{\n",
    ));
    for (index, item) in items.iter().enumerate() {
        let line = match item {
            ProbeItem::Resolve(name) => format!("  resolve {index} {} &\n", safe(name)?),
            ProbeItem::Connect(target) => {
                let (host, port) = target
                    .rsplit_once(':')
                    .ok_or_else(|| Error::Config { message: format!("`{target}` is not host:port") })?;
                format!("  connect {index} {} {} &\n", safe(host)?, safe(port)?)
            }
        };
        script.push_str(&line);
    }
    script.push_str("  wait\n} > /dev/termination-log\n");
    Ok(script)
}

/// Nothing but host names, addresses and numbers gets into a shell.
fn safe(word: &str) -> Result<&str, Error> {
    let fine = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    if fine { Ok(word) } else { Err(Error::Config { message: format!("`{word}` is no host name") }) }
}

fn parse(items: &[ProbeItem], pod: &Value) -> Result<Vec<ProbeResult>, Error> {
    let statuses = pod.pointer("/status/containerStatuses").and_then(Value::as_array);
    let message = statuses
        .into_iter()
        .flatten()
        .filter_map(|status| status.pointer("/state/terminated/message").and_then(Value::as_str))
        .next()
        .unwrap_or_default();
    let answers: Vec<ProbeResult> =
        items.iter().enumerate().filter_map(|(index, item)| answer(index, item, message)).collect();
    if answers.len() == items.len() {
        return Ok(answers);
    }
    Err(Error::Api {
        verb: "read",
        what: format!("Pod {}/{}", text(pod, "/metadata/namespace"), text(pod, "/metadata/name")),
        status: 200,
        message: format!(
            "the probe answered {} of {} questions (phase {}, {})",
            answers.len(),
            items.len(),
            text(pod, "/status/phase"),
            if message.is_empty() { text(pod, "/status/message") } else { message },
        ),
    })
}

fn answer(index: usize, item: &ProbeItem, message: &str) -> Option<ProbeResult> {
    message.lines().find_map(|line| {
        let mut words = line.splitn(3, ' ');
        if words.next()?.parse::<usize>().ok()? != index {
            return None;
        }
        let ok = match words.next()? {
            "ok" => true,
            "fail" => false,
            _ => return None,
        };
        Some(ProbeResult { item: item.clone(), ok, detail: words.next().unwrap_or_default().to_owned() })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn items() -> Vec<ProbeItem> {
        vec![ProbeItem::Resolve("c8-here.b.svc.cluster.local".into()), ProbeItem::connect("10.4.0.9", 26502)]
    }

    #[test]
    fn the_pod_carries_questions_for_shell_and_reader() {
        let pod = manifest("a", "c8-probe-1", &items(), 60).unwrap();
        let container = &pod["spec"]["containers"][0];
        assert_eq!(container["name"], "probe");
        assert_eq!(
            container["env"][0]["value"],
            r#"[{"resolve":"c8-here.b.svc.cluster.local"},{"connect":"10.4.0.9:26502"}]"#
        );
        let script = container["command"][2].as_str().unwrap();
        assert!(
            script.contains(
                "\n  resolve 0 c8-here.b.svc.cluster.local &\n  connect 1 10.4.0.9 26502 &\n  wait\n} > /dev/termination-log"
            ),
            "{script}"
        );
    }

    #[test]
    fn nothing_else_gets_into_the_shell() {
        for bad in ["a;rm -rf /", "$(x)", "", "a b", "a`b`"] {
            assert!(script(&[ProbeItem::Resolve(bad.into())]).is_err(), "{bad}");
            assert!(script(&[ProbeItem::Connect(format!("{bad}:80"))]).is_err(), "{bad}");
        }
    }

    #[test]
    fn answers_are_read_in_any_order_and_all_are_wanted() {
        let pod = |message: &str| json!({ "metadata": { "name": "p", "namespace": "a" }, "status": { "phase": "Succeeded", "containerStatuses": [{ "state": { "terminated": { "message": message } } }] } });
        let results = parse(&items(), &pod("1 fail no connection\n0 ok 10.0.0.3\n")).unwrap();
        assert_eq!(results[0], ProbeResult { item: items()[0].clone(), ok: true, detail: "10.0.0.3".into() });
        assert!(!results[1].ok);
        let error = parse(&items(), &pod("0 ok 10.0.0.3\n")).unwrap_err();
        assert!(error.to_string().contains("1 of 2 questions"), "{error}");
    }

    #[test]
    fn the_script_is_valid_shell() {
        // Resolving nothing and connecting to a port where nothing listens works on any machine with sh.
        let script =
            script(&[ProbeItem::Connect("127.0.0.1:1".into())]).unwrap().replace("/dev/termination-log", "/dev/stdout");
        let output = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "0 fail no connection\n");
    }
}
