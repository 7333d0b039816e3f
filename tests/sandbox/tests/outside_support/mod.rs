//! Two regions of real processes on loopback: shims, doors that can be shut, and search stores of the simplest kind.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, State};
use axum::routing::{get, post, put};
use c8_sandbox::shim::{self, Environment};
use c8_sandbox::{Options, Sandbox, audit, workload};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Brokers, two in each region; replicas and partitions.
pub const BROKERS: u16 = 4;

/// A port in front of another one. Shut, it takes bytes and connections and passes nothing on, as a firewall that drops.
pub struct Door {
    pub port: u16,
    shut: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Door {
    async fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let shut = Arc::new(AtomicBool::new(false));
        let state = shut.clone();
        let task = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let state = state.clone();
                open.spawn(async move {
                    while state.load(Ordering::Relaxed) {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                    let (near_read, near_write) = near.into_split();
                    let (far_read, far_write) = far.into_split();
                    tokio::select! {
                        () = pass(near_read, far_write, &state) => {}
                        () = pass(far_read, near_write, &state) => {}
                    }
                });
            }
        });
        Self { port: own, shut, task }
    }

    pub fn shut(&self, shut: bool) {
        self.shut.store(shut, Ordering::Relaxed);
    }
}

async fn pass(mut from: tokio::net::tcp::OwnedReadHalf, mut to: tokio::net::tcp::OwnedWriteHalf, shut: &AtomicBool) {
    let mut buffer = [0_u8; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        while shut.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

/// A store that knows `_bulk`, and `_search` page by page.
#[derive(Clone, Default)]
pub struct Store {
    pub documents: Arc<Mutex<BTreeMap<(String, String), Value>>>,
    pub down: Arc<AtomicBool>,
}

impl Store {
    /// Serves on an address whose second part says the region: the audit reads it as the namespace.
    async fn serve(&self, region: u16) -> (SocketAddr, JoinHandle<()>) {
        let listener = TcpListener::bind((format!("127.{}.0.1", region + 1), 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = axum::Router::new()
            .route("/_index_template/{name}", put(async || Json(json!({"acknowledged": true}))))
            .route("/{indices}/_refresh", post(async || Json(json!({"_shards": {"failed": 0}}))))
            .route("/_cat/indices/{pattern}", get(indices))
            .route("/{index}/_search", post(search))
            .route("/_bulk", post(bulk))
            .with_state(self.clone());
        (address, tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }))
    }
}

async fn bulk(State(store): State<Store>, body: String) -> (http::StatusCode, Json<Value>) {
    if store.down.load(Ordering::Relaxed) {
        return (http::StatusCode::SERVICE_UNAVAILABLE, Json(json!({"error": "down"})));
    }
    let lines: Vec<Value> = body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut documents = store.documents.lock();
    for pair in lines.chunks(2) {
        let place = &pair[0]["index"];
        let text = |key: &str| place[key].as_str().unwrap().to_owned();
        documents.insert((text("_index"), text("_id")), pair[1].clone());
    }
    (http::StatusCode::OK, Json(json!({"errors": false, "items": []})))
}

async fn indices(State(store): State<Store>) -> Json<Value> {
    let names: BTreeSet<String> = store.documents.lock().keys().map(|(index, _)| index.clone()).collect();
    Json(names.into_iter().map(|index| json!({"index": index})).collect())
}

/// As a real store: only what every document has can be sorted by, and the name of the index is nothing of that.
async fn search(State(store): State<Store>, Path(index): Path<String>, Json(query): Json<Value>) -> Json<Value> {
    let place = |source: &Value| (source["partitionId"].as_u64(), source["position"].as_u64());
    let after = query["search_after"].as_array().map(|after| (after[0].as_u64(), after[1].as_u64()));
    assert_eq!(query["sort"].as_array().map(Vec::len), Some(2), "{query}");
    let documents = store.documents.lock();
    let mut hits: Vec<_> =
        documents.iter().filter(|((own, _), _)| *own == index).map(|(_, source)| (place(source), source)).collect();
    hits.sort_by_key(|(place, _)| *place);
    let page: Vec<Value> = hits
        .into_iter()
        .filter(|(place, _)| after.is_none_or(|after| *place > after))
        .take(usize::try_from(query["size"].as_u64().unwrap()).unwrap())
        .map(|(place, source)| json!({"_source": source, "sort": [place.0, place.1]}))
        .collect();
    Json(json!({"timed_out": false, "_shards": {"failed": 0}, "hits": {"hits": page}}))
}

/// A process: dropped, it is killed.
struct Process(JoinHandle<std::io::Result<()>>);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The whole installation.
pub struct Bench {
    pub sandbox: Sandbox,
    pub stores: Vec<Store>,
    pub doors: Vec<Door>,
    folder: tempfile::TempDir,
    urls: Vec<String>,
    ports: Vec<u16>,
    gateways: Vec<u16>,
    processes: BTreeMap<String, Process>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.tasks.iter().chain(self.doors.iter().map(|door| &door.task)).for_each(JoinHandle::abort);
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Bench {
    /// Four brokers and two gateways that lead all partitions.
    pub async fn started() -> Self {
        let options = Options { outside: Some(([127, 0, 0, 1], 0).into()), ..Options::default() };
        let sandbox = Sandbox::start(options).await.unwrap();
        let mut bench = Self {
            sandbox,
            stores: vec![Store::default(), Store::default()],
            doors: Vec::new(),
            folder: tempfile::tempdir().unwrap(),
            urls: Vec::new(),
            ports: (0..BROKERS).map(|_| free_port()).collect(),
            gateways: vec![free_port(), free_port()],
            processes: BTreeMap::new(),
            tasks: Vec::new(),
        };
        for (region, store) in (0..).zip(bench.stores.clone()) {
            let (address, task) = store.serve(region).await;
            bench.urls.push(format!("http://{address}"));
            bench.tasks.push(task);
        }
        for port in bench.ports.clone() {
            bench.doors.push(Door::before(port).await);
        }
        for id in 0..BROKERS {
            bench.start_broker(id, &format!("disk-{id}"));
        }
        for region in 0..2 {
            bench.start_gateway(region);
        }
        bench.until("all partitions are led", |bench| bench.led() == usize::from(BROKERS)).await;
        bench
    }

    fn common(&self) -> BTreeMap<String, String> {
        let points: Vec<String> = self.doors.iter().map(|door| format!("127.0.0.1:{}", door.port)).collect();
        let text = |pairs: &[(&str, String)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
        };
        text(&[
            ("C8_SANDBOX_WORLD", self.sandbox.outside_address().unwrap().to_string()),
            ("C8_SANDBOX_LISTEN", "127.0.0.1".into()),
            ("K8S_NAMESPACE", "camunda".into()),
            ("ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS", points.join(",")),
            ("SERVER_PORT", free_port().to_string()),
        ])
    }

    /// Starts a broker on the volume `disk`.
    pub fn start_broker(&mut self, id: u16, disk: &str) {
        let mut env = self.common();
        let own = self.ports[usize::from(id)];
        let mut set = |name: &str, value: String| env.insert(name.to_owned(), value);
        set("K8S_NAME", format!("camunda-zeebe-{id}"));
        set("ZEEBE_BROKER_CLUSTER_NODEID", id.to_string());
        for name in ["CLUSTERSIZE", "PARTITIONSCOUNT", "REPLICATIONFACTOR"] {
            set(&format!("ZEEBE_BROKER_CLUSTER_{name}"), BROKERS.to_string());
        }
        set("ZEEBE_BROKER_NETWORK_ADVERTISEDHOST", "127.0.0.1".into());
        set("ZEEBE_BROKER_NETWORK_INTERNALAPI_PORT", own.to_string());
        set("ZEEBE_BROKER_NETWORK_INTERNALAPI_ADVERTISEDPORT", self.doors[usize::from(id)].port.to_string());
        set("ZEEBE_BROKER_NETWORK_COMMANDAPI_PORT", free_port().to_string());
        set("C8_SANDBOX_DATA", self.disk(disk).display().to_string());
        for (region, url) in self.urls.iter().enumerate() {
            set(&format!("ZEEBE_BROKER_EXPORTERS_REGION{region}_CLASSNAME"), "x".into());
            set(&format!("ZEEBE_BROKER_EXPORTERS_REGION{region}_ARGS_URL"), url.clone());
        }
        self.start(format!("broker-{id}"), env);
    }

    fn start_gateway(&mut self, region: u16) {
        let mut env = self.common();
        let mut set = |name: &str, value: String| env.insert(name.to_owned(), value);
        set("ZEEBE_STANDALONE_GATEWAY", "true".into());
        set("K8S_NAME", format!("gateway-{region}"));
        set("ZEEBE_GATEWAY_CLUSTER_ADVERTISEDHOST", "127.0.0.1".into());
        set("ZEEBE_GATEWAY_CLUSTER_PORT", free_port().to_string());
        set("ZEEBE_GATEWAY_NETWORK_PORT", self.gateways[usize::from(region)].to_string());
        set("C8_SANDBOX_REST_PORT", free_port().to_string());
        self.start(format!("gateway-{region}"), env);
    }

    fn start(&mut self, name: String, env: BTreeMap<String, String>) {
        let environment = Environment::read(env).unwrap();
        self.processes.insert(name, Process(tokio::spawn(shim::run(environment))));
    }

    /// Kills a process and waits for its end.
    pub async fn kill(&mut self, name: &str) {
        let mut process = self.processes.remove(name).unwrap();
        process.0.abort();
        let _ = (&mut process.0).await;
    }

    /// How a process ended by itself.
    pub async fn end_of(&mut self, name: &str) -> String {
        let mut process = self.processes.remove(name).unwrap();
        let end = tokio::time::timeout(Duration::from_secs(10), &mut process.0).await.expect("it goes on");
        end.unwrap().unwrap_err().to_string()
    }

    pub fn disk(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Partitions that have a leader with a quorum, as the world knows.
    pub fn led(&self) -> usize {
        let world = self.sandbox.shared().lock();
        let led: std::collections::BTreeSet<u32> = world
            .zeebe
            .brokers
            .values()
            .flat_map(|broker| broker.roles.iter().filter(|(_, role)| role.leader.is_some()).map(|(p, _)| *p))
            .collect();
        led.len()
    }

    pub async fn until(&self, what: &str, is: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is(self) {
            assert!(start.elapsed() < Duration::from_secs(60), "{what}: not within 60 s");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Clients and workers through the real ports of both gateways.
    pub async fn workload(&self, instances: usize) -> workload::Report {
        let gateways = self.gateways.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let workload = workload::Workload { instances, gateways, ..workload::Workload::default() };
        workload::run(self.sandbox.shared(), &workload).await
    }

    /// The audit with the documents of both stores.
    pub async fn audit(&self) -> audit::Report {
        let stores = ["1", "2"].into_iter().map(str::to_owned).zip(self.urls.clone()).collect();
        audit::audit_with(self.sandbox.shared(), &stores).await
    }

    /// Audits until nothing is found: exporters take a moment.
    pub async fn settled(&self) -> audit::Report {
        self.eventually(async || Some(self.audit().await).filter(|report| report.ok)).await
    }

    pub async fn eventually<T, F: Future<Output = Option<T>>>(&self, attempt: impl Fn() -> F) -> T {
        for _ in 0..100 {
            if let Some(result) = attempt().await {
                return result;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("not within 10 s; the audit says {:?}", self.audit().await)
    }

    /// Documents in the store of a region.
    pub fn documents(&self, region: usize) -> usize {
        self.stores[region].documents.lock().len()
    }
}
