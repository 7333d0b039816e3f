//! Operate, Tasklist and Connectors, as thin as their consequences: they make their indices when they start (a restore conflicts with that),
//! and move import positions while they run.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::network::Host;
use crate::network::surroundings::store_behind;
use crate::world::World;

/// Which application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Operate
    Operate,
    /// Tasklist
    Tasklist,
    /// Connectors
    Connectors,
}

impl Kind {
    /// By image: `camunda/operate:8.7.2`.
    pub fn of_image(image: &str) -> Option<Self> {
        [("operate", Self::Operate), ("tasklist", Self::Tasklist), ("connectors", Self::Connectors)]
            .into_iter()
            .find(|(name, _)| image.contains(name))
            .map(|(_, kind)| kind)
    }

    fn indices(self) -> &'static [&'static str] {
        match self {
            Self::Operate => &["operate-import-position-8.3.0_", "operate-list-view-8.3.0_", "operate-process-8.3.0_"],
            Self::Tasklist => &["tasklist-import-position-8.2.0_", "tasklist-task-8.5.0_"],
            Self::Connectors => &[],
        }
    }
}

#[derive(Debug, Clone)]
struct App {
    kind: Kind,
    host: Host,
    namespace: String,
    url: Option<String>,
    ready: bool,
    last: Option<Instant>,
}

/// Running web applications by pod UID.
#[derive(Debug, Default)]
pub struct WebApps(BTreeMap<String, App>);

/// How often an importer looks.
const IMPORT: Duration = Duration::from_millis(200);

impl WebApps {
    /// Starts an application. Its store is the first URL with port 9200 in its environment.
    pub fn start(&mut self, pod_uid: &str, kind: Kind, host: Host, namespace: &str, env: &BTreeMap<String, String>) {
        let url = env.values().find(|value| value.starts_with("http") && value.contains(":9200")).cloned();
        self.0.insert(
            pod_uid.to_owned(),
            App { kind, host, namespace: namespace.to_owned(), url, ready: false, last: None },
        );
    }

    /// Ends one.
    pub fn stop(&mut self, pod_uid: &str) {
        self.0.remove(pod_uid);
    }

    /// Ends all of a cluster.
    pub fn forget_cluster(&mut self, uid: &str) {
        self.0.retain(|_, app| app.host.cluster != uid);
    }

    /// Whether the readiness probe passes.
    pub fn is_ready(&self, pod_uid: &str) -> bool {
        self.0.get(pod_uid).is_some_and(|app| app.ready)
    }
}

/// Moves all web applications on.
pub fn tick(world: &mut World, now: Instant) {
    let due: Vec<String> = world
        .webapps
        .0
        .iter()
        .filter(|(_, app)| app.last.is_none_or(|last| now.duration_since(last) >= IMPORT))
        .map(|(pod, _)| pod.clone())
        .collect();
    for pod in due {
        let Some(app) = world.webapps.0.get(&pod).cloned() else { continue };
        let reached = match &app.url {
            None => true,
            Some(url) => match store_behind(world, &app.host, &app.namespace, url) {
                Ok(store) => {
                    import(world, &store, app.kind);
                    true
                }
                Err(_) => false,
            },
        };
        if let Some(app) = world.webapps.0.get_mut(&pod) {
            app.last = Some(now);
            app.ready = app.ready || reached;
        }
    }
}

fn import(world: &mut World, store: &str, kind: Kind) {
    let Some(data) = world.stores.data_mut(store) else { return };
    let Some(positions) = kind.indices().first() else { return };
    for index in kind.indices() {
        data.indices.entry((*index).to_owned()).or_insert_with(crate::elasticsearch::Index::empty);
    }
    let mut newest: BTreeMap<u64, u64> = BTreeMap::new();
    for name in data.matching("zeebe-record*") {
        for document in data.indices[&name].docs.values() {
            let (partition, position) =
                (document["partitionId"].as_u64().unwrap_or(0), document["position"].as_u64().unwrap_or(0));
            let newest = newest.entry(partition).or_default();
            *newest = (*newest).max(position);
        }
    }
    for (partition, position) in newest {
        data.put(
            positions,
            &format!("{partition}-process-instance"),
            json!({"aliasName": "process-instance", "partition": partition, "importedTo": position}),
        );
    }
}
