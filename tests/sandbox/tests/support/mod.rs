//! Drives the world directly, without the provider: an installation of two regions, made of the objects that a real one consists of.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::time::{Duration, Instant};

use c8_sandbox::audit::{self, Report};
use c8_sandbox::gcp::{FirewallRule, ServiceAccount, ServiceAccountKey};
use c8_sandbox::workload::{self, Workload};
use c8_sandbox::world::{self, NewCluster};
use c8_sandbox::{Options, Sandbox, World};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

pub const BROKERS: u32 = 4;
pub const PARTITIONS: u32 = 3;
pub const NAMESPACES: [&str; 2] = ["camunda-ew4", "camunda-ew1"];
const LOCATIONS: [&str; 2] = ["europe-west4-b", "europe-west1-b"];
const NAMES: [&str; 2] = ["camunda-zero", "camunda-one"];

pub struct Regions {
    pub sandbox: Sandbox,
    pub uids: [String; 2],
    pub swapped_exporters: bool,
    /// Of the brokers; before 8.6 their members are fixed.
    pub version: &'static str,
}

impl Regions {
    /// Two clusters with network, names and an admitted first installation; returns when every partition is led.
    pub async fn start() -> Self {
        Self::start_with(Options::default(), false).await
    }

    pub async fn start_with(options: Options, swapped_exporters: bool) -> Self {
        Self::start_version(options, swapped_exporters, "8.7.2").await
    }

    /// As it was before there was a cluster API.
    pub async fn start_fixed() -> Self {
        Self::start_version(Options::default(), false, "8.2.25").await
    }

    async fn start_version(options: Options, swapped_exporters: bool, version: &'static str) -> Self {
        let sandbox = Sandbox::start(options).await.unwrap();
        let uids = [provision(&sandbox, 0), provision(&sandbox, 1)];
        let mut regions = Self { sandbox, uids, swapped_exporters, version };
        regions.bucket();
        regions.connect().await;
        for region in 0..2 {
            regions.install(region);
        }
        regions.admit(0, &[1, 3]);
        regions.admit(1, &[0, 2]);
        regions
            .until("every partition is led and every broker ready", |world| {
                world.zeebe.brokers.len() == 4 && all_ready(world)
            })
            .await;
        regions
    }

    /// Deletes a cluster and makes another one under the same name; nothing is installed.
    pub async fn replace(&mut self, region: usize) {
        world::remove_cluster(&mut self.sandbox.shared().lock(), &self.uids[region].clone());
        self.uids[region] = provision(&self.sandbox, region);
        self.connect().await;
    }

    /// Firewall both ways, DNS both ways.
    pub async fn connect(&mut self) {
        for region in 0..2 {
            self.with(|world| {
                let from = world.clusters[&self.uids[1 - region]].pod_cidr.clone();
                let tags = world.clusters[&self.uids[region]].node_tags.clone();
                let mut rule = rule(&format!("allow-{region}"), true, 1000, true, &from, &tags);
                rule.rules = vec![("tcp".into(), vec![(9200, 9200), (26500, 26502)])];
                world.gcp.firewalls.insert(rule.name.clone(), rule);
                let store = &mut world.clusters.get_mut(&self.uids[region]).unwrap().store;
                if store.get("Service", "kube-system", "c8-dns").is_none() {
                    create(store, json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "c8-dns", "namespace": "kube-system", "annotations": {
                        "networking.gke.io/load-balancer-type": "Internal", "networking.gke.io/internal-load-balancer-allow-global-access": "true"}},
                        "spec": {"type": "LoadBalancer", "selector": {"k8s-app": "kube-dns"}, "ports": [
                            {"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]}}));
                }
            });
        }
        let uids = self.uids.clone();
        self.until("both load balancers have addresses", |world| uids.iter().all(|uid| lb(world, uid).is_some())).await;
        for region in 0..2 {
            self.with(|world| {
                let address = lb(world, &self.uids[1 - region]).unwrap();
                let stub = json!({format!("{}.svc.cluster.local", NAMESPACES[1 - region]): [address]}).to_string();
                let store = &mut world.clusters.get_mut(&self.uids[region]).unwrap().store;
                store.edit("ConfigMap", "kube-system", "kube-dns", "test", |object| {
                    object["data"] = json!({"stubDomains": stub})
                });
                for pod in store.pods().iter().filter(|pod| pod.label("k8s-app") == Some("kube-dns")) {
                    store.delete("Pod", "kube-system", pod.name());
                }
            });
        }
    }

    fn bucket(&mut self) {
        self.with(|world| {
            let email = "backup@sandbox.iam.gserviceaccount.com";
            let key = ServiceAccountKey { private_key_pem: "PEM".into(), public_key_der: vec![] };
            world.gcp.accounts.insert(
                email.into(),
                ServiceAccount {
                    project: "sandbox".into(),
                    display_name: String::new(),
                    description: String::new(),
                    unique_id: "1".into(),
                    keys: [("k1".to_owned(), key)].into(),
                    created: Instant::now(),
                },
            );
            let bucket = world.gcp.buckets.entry("backup".into()).or_default();
            bucket.policy.insert("roles/storage.admin".into(), vec![format!("serviceAccount:{email}")]);
        });
    }

    /// The release in one region: brokers behind their gate, gateway, store.
    pub fn install(&mut self, region: usize) {
        self.install_diverted(region, None);
    }

    /// The same, with a store that stands in for region 1's.
    pub fn install_diverted(&mut self, region: usize, stand_in: Option<&str>) {
        let version = self.version;
        let annotations = stand_in.map_or_else(|| json!({}), |url| json!({"c8-store-1": url}));
        let (namespace, peer) = (NAMESPACES[region], NAMESPACES[1 - region]);
        let swapped = self.swapped_exporters && region == 1;
        self.with(|world| {
            let store = &mut world.clusters.get_mut(&self.uids[region]).unwrap().store;
            create(store, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}));
            create(store, json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "c8-here", "namespace": namespace}, "spec": {"ports": [{"port": 1}]}}));
            let key = json!({"client_email": "backup@sandbox.iam.gserviceaccount.com", "private_key_id": "k1", "private_key": "PEM"}).to_string();
            create(store, json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "gcs-backup-key", "namespace": namespace},
                "stringData": {"gcs.client.default.credentials_file": key}}));
            let headless = |name: &str, component: &str, ports: Value| {
                json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace},
                    "spec": {"clusterIP": "None", "publishNotReadyAddresses": true, "selector": {"app": component}, "ports": ports}})
            };
            create(store, headless("camunda-zeebe", "zeebe", json!([{"name": "http", "port": 9600}, {"name": "internal", "port": 26502}])));
            create(store, headless("camunda-elasticsearch-master-hl", "es", json!([{"name": "http", "port": 9200}])));
            let points: Vec<String> = (0..BROKERS / 2)
                .flat_map(|i| NAMESPACES.map(|ns| format!("camunda-zeebe-{i}.camunda-zeebe.{ns}.svc.cluster.local:26502")))
                .collect();
            let url = |region: usize| format!("http://camunda-elasticsearch-master-hl.{}.svc.cluster.local:9200", NAMESPACES[region]);
            let class = "io.camunda.zeebe.exporter.ElasticsearchExporter";
            let mut env = vec![
                json!({"name": "K8S_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}),
                json!({"name": "C8_STORE_1", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['c8-store-1']"}}}),
                json!({"name": "ZEEBE_BROKER_NETWORK_ADVERTISEDHOST", "value": format!("$(K8S_NAME).camunda-zeebe.{namespace}.svc")}),
            ];
            for (name, value) in [
                ("C8_REGIONS", "2".to_owned()),
                ("C8_REGION_ID", region.to_string()),
                ("ZEEBE_BROKER_CLUSTER_CLUSTERSIZE", BROKERS.to_string()),
                ("ZEEBE_BROKER_CLUSTER_PARTITIONSCOUNT", PARTITIONS.to_string()),
                ("ZEEBE_BROKER_CLUSTER_REPLICATIONFACTOR", "4".to_owned()),
                ("ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS", points.join(",")),
                ("ZEEBE_BROKER_EXPORTERS_ELASTICSEARCHREGION0_CLASSNAME", class.to_owned()),
                ("ZEEBE_BROKER_EXPORTERS_ELASTICSEARCHREGION0_ARGS_URL", url(usize::from(swapped))),
                ("ZEEBE_BROKER_EXPORTERS_ELASTICSEARCHREGION1_CLASSNAME", class.to_owned()),
                ("ZEEBE_BROKER_EXPORTERS_ELASTICSEARCHREGION1_ARGS_URL", url(usize::from(!swapped))),
            ] {
                env.push(json!({"name": name, "value": value}));
            }
            create(store, json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "camunda-zeebe", "namespace": namespace},
                "spec": {"replicas": BROKERS / 2, "serviceName": "camunda-zeebe", "podManagementPolicy": "Parallel", "selector": {"matchLabels": {"app": "zeebe"}},
                    "template": {"metadata": {"labels": {"app": "zeebe"}, "annotations": annotations}, "spec": {
                        "volumes": [{"name": "mode", "configMap": {"name": "c8-mode", "optional": true}}],
                        "initContainers": [{"name": "gate", "image": "busybox:1.36", "env": [
                            {"name": "C8_REGIONS", "value": "2"}, {"name": "C8_REGION_ID", "value": region.to_string()},
                            {"name": "C8_PEER_NAMESPACE", "value": peer}, {"name": "C8_POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                            "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "mode", "mountPath": "/etc/c8-mode"}]}],
                        "containers": [{"name": "zeebe", "image": format!("camunda/zeebe:{version}"), "env": env,
                            "volumeMounts": [{"name": "data", "mountPath": "/usr/local/zeebe/data"}]}]}},
                    "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"],
                        "resources": {"requests": {"storage": "1Gi"}}}}]}}));
            create(store, json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "camunda-elasticsearch-master", "namespace": namespace},
                "spec": {"replicas": 1, "serviceName": "camunda-elasticsearch-master-hl", "selector": {"matchLabels": {"app": "es"}},
                    "template": {"metadata": {"labels": {"app": "es"}}, "spec": {
                        "volumes": [{"name": "key", "secret": {"secretName": "gcs-backup-key", "optional": true}}],
                        "containers": [{"name": "elasticsearch", "image": "docker.elastic.co/elasticsearch/elasticsearch:8.15.0",
                            "volumeMounts": [{"name": "data", "mountPath": "/usr/share/elasticsearch/data"}, {"name": "key", "mountPath": "/key"}]}]}},
                    "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"],
                        "resources": {"requests": {"storage": "1Gi"}}}}]}}));
            create(store, json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "camunda-zeebe-gateway", "namespace": namespace},
                "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "gateway"}}, "template": {"metadata": {"labels": {"app": "gateway"}}, "spec": {
                    "containers": [{"name": "gateway", "image": format!("camunda/zeebe:{version}"), "env": [
                        {"name": "ZEEBE_STANDALONE_GATEWAY", "value": "true"},
                        {"name": "ZEEBE_GATEWAY_CLUSTER_INITIALCONTACTPOINTS", "value": points.join(",")}]}]}}}}));
        });
    }

    pub fn admit(&mut self, region: usize, ids: &[u32]) {
        self.with(|world| {
            let store = &mut world.clusters.get_mut(&self.uids[region]).unwrap().store;
            for id in ids {
                create(store, json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": format!("c8-admit-{id}"), "namespace": NAMESPACES[region]}, "spec": {"ports": [{"port": 1}]}}));
            }
        });
    }

    pub fn withdraw(&mut self, region: usize) {
        self.with(|world| {
            let store = &mut world.clusters.get_mut(&self.uids[region]).unwrap().store;
            for id in 0..BROKERS {
                store.delete("Service", NAMESPACES[region], &format!("c8-admit-{id}"));
            }
        });
    }

    /// Denies everything but DNS between the regions, on the survivor's nodes.
    pub fn fence(&mut self, survivor: usize) {
        self.with(|world| {
            let lost = world.clusters[&self.uids[1 - survivor]].pod_cidr.clone();
            let tags = world.clusters[&self.uids[survivor]].node_tags.clone();
            for ingress in [true, false] {
                let mut rule = rule(&format!("fence-{ingress}"), ingress, 0, false, &lost, &tags);
                rule.rules =
                    vec![("tcp".into(), vec![(0, 52), (54, 65535)]), ("udp".into(), vec![(0, 52), (54, 65535)])];
                world.gcp.firewalls.insert(rule.name.clone(), rule);
            }
        });
    }

    pub fn lift_fence(&mut self) {
        self.with(|world| world.gcp.firewalls.retain(|name, _| !name.starts_with("fence")));
    }

    pub fn with<R>(&self, f: impl FnOnce(&mut World) -> R) -> R {
        f(&mut self.sandbox.shared().lock())
    }

    pub async fn until(&self, what: &str, done: impl Fn(&World) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !done(&self.sandbox.shared().lock()) {
            if Instant::now() > deadline {
                let status = c8_sandbox::control::describe(&self.sandbox.shared().lock());
                panic!("not within 30 s: {what}\n{status:#}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn work(&self, instances: usize) -> workload::Report {
        let patience = Workload { instances, timeout_ms: 4000, ..Workload::default() };
        workload::run(self.sandbox.shared(), &patience).await
    }

    /// The audit, after everything in flight has settled.
    pub async fn audit(&self) -> Report {
        tokio::time::sleep(Duration::from_millis(800)).await;
        audit::audit(&self.sandbox.shared().lock())
    }

    pub fn pod(&self, region: usize, app: &str) -> String {
        self.with(|world| {
            let store = &world.clusters[&self.uids[region]].store;
            store.pods().iter().find(|pod| pod.label("app") == Some(app) && !pod.deleting()).unwrap().name().to_owned()
        })
    }

    /// A request through a port-forward.
    pub async fn http(
        &self,
        region: usize,
        app: &str,
        port: u16,
        method: &str,
        path: &str,
        body: Value,
    ) -> (u16, Value) {
        let pod = self.pod(region, app);
        let stream = world::dial(self.sandbox.shared(), &self.uids[region], NAMESPACES[region], &pod, port).unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let bytes = if body.is_null() { Vec::new() } else { serde_json::to_vec(&body).unwrap() };
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("content-type", "application/json")
            .body(Full::<bytes::Bytes>::from(bytes))
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    pub async fn manage(&self, region: usize, method: &str, path: &str, body: Value) -> (u16, Value) {
        self.http(region, "gateway", 9600, method, path, body).await
    }

    /// Sends a change and waits until it is completed.
    pub async fn change(&self, region: usize, path: &str, body: Value) {
        let (status, answer) = self.manage(region, "POST", path, body).await;
        assert_eq!(status, 202, "{path}: {answer}");
        let id = answer["changeId"].as_u64().unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let (status, cluster) = self.manage(region, "GET", "/actuator/cluster", Value::Null).await;
            if status == 200 && cluster.get("pendingChange").is_none() && cluster["lastChange"]["id"] == id {
                assert_eq!(cluster["lastChange"]["status"], "COMPLETED");
                return;
            }
            assert!(Instant::now() < deadline, "{path}: {cluster:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn exporting(&self, region: usize, what: &str) {
        let (status, body) = self.manage(region, "POST", &format!("/actuator/exporting/{what}"), Value::Null).await;
        assert_eq!((status, &body["status"]), (200, &json!(204)), "{body}");
    }

    /// Region 1 is removed from the cluster, with its exporter.
    pub async fn fail_over(&self) {
        self.change(0, "/actuator/cluster/brokers?force=true", json!(["0", "2"])).await;
        self.change(0, "/actuator/exporters/elasticsearchregion1/disable", Value::Null).await;
        self.until("every partition is led", |world| led(world, 3)).await;
    }

    /// Snapshot in region 0, restore in region 1.
    pub async fn copy_store(&self) {
        for (region, readonly) in [(0, false), (1, true)] {
            let body = json!({"type": "gcs", "settings": {"bucket": "backup", "client": "default", "base_path": "group/r0", "readonly": readonly}});
            let (status, answer) = self.http(region, "es", 9200, "PUT", "/_snapshot/camunda_backup", body).await;
            assert_eq!(status, 200, "{answer}");
        }
        let body =
            json!({"indices": "zeebe-record*", "include_global_state": false, "metadata": {"purpose": "failback"}});
        let (status, answer) = self
            .http(0, "es", 9200, "PUT", "/_snapshot/camunda_backup/failback-1?wait_for_completion=true", body)
            .await;
        assert_eq!((status, &answer["snapshot"]["state"]), (200, &json!("SUCCESS")), "{answer}");
        let (status, answer) = self
            .http(
                1,
                "es",
                9200,
                "POST",
                "/_snapshot/camunda_backup/failback-1/_restore?wait_for_completion=true",
                json!({}),
            )
            .await;
        assert_eq!((status, &answer["snapshot"]["shards"]["failed"]), (200, &json!(0)), "{answer}");
    }

    /// A new cluster for region 1 with the release in it, its brokers admitted but no members.
    pub async fn rebuild(&mut self) {
        self.withdraw(0);
        self.replace(1).await;
        self.lift_fence();
        self.install(1);
        self.until("the new store runs", |world| {
            world.stores.nodes.values().any(|node| node.namespace == NAMESPACES[1])
        })
        .await;
        self.admit(0, &[1, 3]);
        self.until("the new brokers run", |world| {
            world.zeebe.brokers.values().filter(|broker| broker.id % 2 == 1).count() == 2
        })
        .await;
    }

    pub async fn enable(&self) {
        self.change(
            0,
            "/actuator/exporters/elasticsearchregion1/enable",
            json!({"initializeFrom": "elasticsearchregion0"}),
        )
        .await;
    }

    pub async fn add_brokers(&self) {
        self.change(0, "/actuator/cluster/brokers?replicationFactor=4", json!(["0", "1", "2", "3"])).await;
        self.until("every broker is ready", all_ready).await;
    }
}

/// Long enough for what an exporter holds to be flushed.
pub async fn drain() {
    tokio::time::sleep(Duration::from_millis(500)).await;
}

pub fn all_ready(world: &World) -> bool {
    led(world, 3)
        && world.zeebe.brokers.keys().all(|pod| world.zeebe.is_ready(pod))
        && world.zeebe.gateways.keys().all(|pod| world.zeebe.is_ready(pod))
}

pub fn led(world: &World, partitions: u32) -> bool {
    (1..=partitions).all(|partition| {
        world.zeebe.brokers.values().any(|b| b.roles.get(&partition).is_some_and(|role| role.leader.is_some()))
    })
}

fn provision(sandbox: &Sandbox, region: usize) -> String {
    world::provision_cluster(
        sandbox.shared(),
        NewCluster {
            project: "sandbox".into(),
            location: LOCATIONS[region].into(),
            name: NAMES[region].into(),
            network: "default".into(),
            node_tags: vec![format!("c8-{}", NAMES[region])],
            node_count: 3,
        },
    )
}

fn create(store: &mut c8_sandbox::kubernetes::Store, manifest: Value) {
    store.create("test", manifest).unwrap();
}

fn lb(world: &World, uid: &str) -> Option<String> {
    world.clusters[uid].store.load_balancers().into_iter().find(|(_, name, _)| name == "c8-dns").map(|(_, _, ip)| ip)
}

fn rule(name: &str, ingress: bool, priority: u32, allow: bool, range: &str, tags: &[String]) -> FirewallRule {
    let ranges = vec![range.to_owned()];
    FirewallRule {
        name: name.into(),
        network: "default".into(),
        ingress,
        priority,
        disabled: false,
        source_ranges: if ingress { ranges.clone() } else { vec![] },
        destination_ranges: if ingress { vec![] } else { ranges },
        source_tags: vec![],
        target_tags: tags.to_vec(),
        allow,
        rules: vec![],
        description: String::new(),
        in_force_from: None,
        body: Value::Null,
    }
}
