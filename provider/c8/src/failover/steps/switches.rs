//! What a transition switches in the regions: web apps, gates, admissions. And the record of a healthy installation.

use std::time::Duration;

use c8_clients::kubernetes::{CONFIG_MAP, DEPLOYMENT, Delete, Error, SERVICE};
use c8_dr::{RecordState, Strategy, Topology, peer};
use c8_release::names;
use serde_json::{Value, json};
use terraform_plugin::Fault;

use crate::failover::{record::fill_healthy, run::Run};

impl Run<'_> {
    pub(super) async fn withdraw(&mut self, brokers: &[u32]) -> Result<(), Fault> {
        for id in brokers {
            let region = peer(Topology::region_of(*id));
            // a region that does not answer admits nobody either: nothing resolves there
            let Ok(kubernetes) = self.kubernetes(region) else { continue };
            self.still_ours().await?;
            let service = SERVICE.named(&self.at(region).namespace, &names::admit(*id));
            kubernetes.delete(&service, &Delete::default()).await.map_err(|error| fault(&error))?;
        }
        Ok(())
    }

    pub(super) async fn admit_brokers(&mut self, brokers: &[u32]) -> Result<(), Fault> {
        for id in brokers {
            let region = peer(Topology::region_of(*id));
            let manifest = json!({
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": { "name": names::admit(*id), "namespace": self.at(region).namespace },
                "spec": {
                    "type": "ClusterIP",
                    "ports": [{ "name": "admit", "port": 26502, "protocol": "TCP", "targetPort": 26502 }],
                },
            });
            self.still_ours().await?;
            match self.kubernetes(region)?.create(&manifest, names::SWITCH_FIELD_MANAGER).await {
                Ok(_) | Err(Error::AlreadyExists { .. }) => {}
                Err(error) => return Err(fault(&error)),
            }
        }
        Ok(())
    }

    pub(super) async fn open_gates(&mut self, region: u32) -> Result<(), Fault> {
        let first = self.o().record().is_none_or(|record| !record.state.is_failed_over());
        let mode = if first { "normal" } else { "failback" };
        let changed = self.mode(region, &json!({ "mode": mode, "hold": "false" })).await?;
        let pods = names::pods_of(&self.at(region).release, "zeebe-broker");
        let mark = (names::MODE, changed["metadata"]["resourceVersion"].as_str().unwrap_or(mode));
        let (kubernetes, namespace) = (self.kubernetes(region)?, &self.at(region).namespace);
        kubernetes.hurry_volumes(namespace, &pods, mark, names::SWITCH_FIELD_MANAGER).await;
        Ok(())
    }

    pub(super) async fn web_apps_off(&mut self) -> Result<(), Fault> {
        for region in [0, 1] {
            self.mode(region, &json!({ "webapps": "off" })).await?;
            self.scale_web_apps(region, 0).await?;
        }
        Ok(())
    }

    /// The other region's gates are not touched: it may be rebuilt, and hold.
    pub(super) async fn resume_survivor(&mut self, lost: u32) -> Result<(), Fault> {
        match Strategy::seen(self.o()) {
            Strategy::ClusterApi => self.resume(lost).await?,
            Strategy::TemporaryBrokers => self.resume_survivor_each(lost).await?,
        }
        self.scale_web_apps(peer(lost), 1).await?;
        self.mode(peer(lost), &json!({ "webapps": "on" })).await.map(drop)
    }

    pub(super) async fn web_apps_on(&mut self) -> Result<(), Fault> {
        for region in [0, 1] {
            if self.kubernetes(region).is_err() {
                continue;
            }
            self.scale_web_apps(region, 1).await?;
        }
        for region in [0, 1] {
            let Ok(kubernetes) = self.kubernetes(region) else { continue };
            let wait = self.wait.within(Duration::from_secs(5 * 60));
            for app in names::web_apps(&self.at(region).release) {
                let deployment = DEPLOYMENT.named(&self.at(region).namespace, &app);
                match kubernetes.rolled_out(&deployment, &wait).await {
                    Ok(_) | Err(Error::NotFound { .. }) => {}
                    Err(error) => self.ctx.warn(
                        "A web app is not ready yet",
                        format!("Region {region}: {error}. The engine does not depend on it."),
                    ),
                }
            }
            self.mode(region, &json!({ "mode": "normal", "hold": "false", "webapps": "on" })).await?;
        }
        Ok(())
    }

    pub(super) async fn record_healthy(&mut self) -> Result<(), Fault> {
        if self.o().record().is_some_and(|record| record.state == RecordState::FailingBack) {
            self.compare_live_stores().await?;
        }
        let o = self.o().clone();
        // the survivor of a fail-back first: should this be the last that is written, it is the one that knows
        let survivor =
            o.record().filter(|record| record.state.is_failed_over()).and_then(|record| record.lost).map(peer);
        let first = survivor.unwrap_or_else(|| u32::from(self.reach[0].alive().is_none()));
        self.record(first, |record| fill_healthy(record, &o)).await?;
        self.report.push(
            "both regions are active: all brokers are there, every partition has one leader, all replicas are healthy"
                .into(),
        );
        Ok(())
    }

    /// Changes `c8-mode`; gives it as it then is.
    async fn mode(&self, region: u32, data: &Value) -> Result<Value, Fault> {
        let map = CONFIG_MAP.named(&self.at(region).namespace, names::MODE);
        let kubernetes = self.kubernetes(region)?;
        self.still_ours().await?;
        match kubernetes.merge_patch(&map, &json!({ "data": data }), names::SWITCH_FIELD_MANAGER).await {
            Ok(changed) => Ok(changed),
            Err(Error::NotFound { .. }) => {
                let mut all = json!({ "mode": "normal", "hold": "false", "webapps": "on" });
                if let (Some(all), Some(data)) = (all.as_object_mut(), data.as_object()) {
                    all.extend(data.clone());
                }
                let manifest = json!({
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": { "name": names::MODE, "namespace": self.at(region).namespace },
                    "data": all,
                });
                kubernetes.create(&manifest, names::SWITCH_FIELD_MANAGER).await.map_err(|error| fault(&error))
            }
            Err(error) => Err(fault(&error)),
        }
    }

    async fn scale_web_apps(&self, region: u32, replicas: u32) -> Result<(), Fault> {
        for app in names::web_apps(&self.at(region).release) {
            let deployment = DEPLOYMENT.named(&self.at(region).namespace, &app);
            let patch = json!({ "spec": { "replicas": replicas } });
            self.still_ours().await?;
            match self.kubernetes(region)?.merge_patch(&deployment, &patch, names::SWITCH_FIELD_MANAGER).await {
                // an installation without this app
                Ok(_) | Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(fault(&error)),
            }
        }
        Ok(())
    }
}

fn fault(error: &Error) -> Fault {
    Fault::new("A region can't be switched", format!("{error}."))
}
