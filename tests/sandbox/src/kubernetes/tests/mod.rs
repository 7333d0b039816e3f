//! Tests of the API server: the store alone, and over HTTP with the real `kube` client.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod apply;
mod client;
mod controllers;
mod rules;

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::host::{Fault, Host, Reach};
use super::kinds::Kind;
use super::store::{Object, Store};
use super::write::{Patch, WriteOptions};
use super::{ApiError, Settings, controllers as control};

fn store() -> Store {
    let mut settings = Settings::new("p", "europe-west1-b", "one", "10.8.0.0/14", "10.200.0.0/24", "34.118.224.0/20");
    settings.node_count = 2;
    let mut store = Store::new(settings);
    store.autorun_all(true);
    namespace(&mut store, "a");
    store
}

fn namespace(store: &mut Store, name: &str) {
    store.create("test", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})).unwrap();
}

/// Runs the controllers through `seconds` of simulated time.
fn run(store: &mut Store, seconds: f64) {
    let start = Instant::now();
    for step in 0..(seconds * 100.0) as u32 {
        control::tick(store, start + Duration::from_millis(10) * step);
    }
}

fn apply(store: &mut Store, manager: &str, force: bool, config: Value) -> Result<Object, ApiError> {
    let kind = Kind::named(config["kind"].as_str().unwrap()).unwrap();
    let namespace = config["metadata"]["namespace"].as_str().unwrap_or("").to_owned();
    let name = config["metadata"]["name"].as_str().unwrap().to_owned();
    store.patch(kind, &namespace, &name, Patch::Apply { config, force }, &WriteOptions::manager(manager))
}

fn config_map(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "a"}, "data": data})
}

fn stateful_set(replicas: u32, image: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "s", "namespace": "a"},
        "spec": {"replicas": replicas, "serviceName": "s", "podManagementPolicy": "Parallel", "selector": {"matchLabels": {"app": "s"}},
            "template": {"metadata": {"labels": {"app": "s"}}, "spec": {"containers": [
                {"name": "c", "image": image, "env": [{"name": "A", "value": "1"}], "ports": [{"containerPort": 80, "name": "http"}],
                 "resources": {"requests": {"cpu": "0.5"}}, "volumeMounts": [{"name": "data", "mountPath": "/data"}]}]}},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]}})
}

/// A host without a world: one store, tokens "good", pods that echo.
#[derive(Clone)]
struct Alone {
    store: Arc<Mutex<Store>>,
    reach: Arc<Mutex<Reach>>,
    fault: Arc<Mutex<Option<Fault>>>,
}

impl Host for Alone {
    fn with_store<R>(&self, f: impl FnOnce(&mut Store) -> R) -> Option<R> {
        Some(f(&mut self.store.lock()))
    }

    fn reach(&self) -> Reach {
        *self.reach.lock()
    }

    fn authorised(&self, token: &str) -> bool {
        token == "good"
    }

    fn dial(&self, _namespace: &str, pod: &str, port: u16) -> Result<DuplexStream, String> {
        if port != 9600 {
            return Err(format!("failed to connect to localhost:{port}: connection refused"));
        }
        let (near, mut far) = tokio::io::duplex(1024);
        let hello = format!("hello from {pod}\n");
        tokio::spawn(async move {
            far.write_all(hello.as_bytes()).await.unwrap();
            let mut buffer = [0_u8; 256];
            while let Ok(count @ 1..) = far.read(&mut buffer).await {
                far.write_all(&buffer[..count]).await.unwrap();
                if buffer[..count].contains(&b'!') {
                    return;
                }
            }
        });
        Ok(near)
    }

    fn called(&self, _method: &str, path: &str) -> Option<Fault> {
        let mut fault = self.fault.lock();
        if path.contains("configmaps") { fault.take() } else { None }
    }
}
