//! Config and mode → manifests.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use tera::{Context, Kwargs, State, Tera};

use crate::config::{ConfigError, ReleaseConfig};
use crate::manifest::{Manifest, Owner};
use crate::mode::Mode;
use crate::{gate, names};

/// The templates in the order of their application, and who owns what they make.
const CHART: [(&str, &str, Owner); 6] = [
    ("base.yaml", include_str!("../chart/base.yaml"), Owner::Region),
    // before the workloads: a gate that finds no mode must not be one that will find a hold
    ("switch.yaml", include_str!("../chart/switch.yaml"), Owner::Switch),
    ("elasticsearch.yaml", include_str!("../chart/elasticsearch.yaml"), Owner::Region),
    ("brokers.yaml", include_str!("../chart/brokers.yaml"), Owner::Region),
    ("gateway.yaml", include_str!("../chart/gateway.yaml"), Owner::Region),
    ("web-apps.yaml", include_str!("../chart/web-apps.yaml"), Owner::Region),
];

/// Why nothing could be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The config can't be rendered.
    #[error("{}", list(.0))]
    Config(Vec<ConfigError>),
    /// A template is wrong: a bug of the provider.
    #[error("chart template: {0}")]
    Template(#[from] tera::Error),
    /// A template made no YAML, or no object: a bug of the provider.
    #[error("chart template {template}: {reason}")]
    Yaml {
        /// The template.
        template: &'static str,
        /// What is wrong with its result.
        reason: String,
    },
}

fn list(errors: &[ConfigError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Renders what runs in a region, in the order of its application.
///
/// `mode` decides only what is [`Owner::Switch`]'s and with how many replicas the web apps are born: all other
/// manifests, and hence [`objects`], are the same in every mode.
///
/// # Errors
/// The config is invalid, or the chart is broken.
pub fn render(config: &ReleaseConfig, mode: Mode) -> Result<Vec<Manifest>, RenderError> {
    config.validate().map_err(RenderError::Config)?;
    let mut tera = Tera::new();
    tera.register_filter("quote", |text: &str, _: Kwargs, _: &State| Value::from(text).to_string());
    tera.register_filter("text", |number: i64, _: Kwargs, _: &State| format!("\"{number}\""));
    tera.register_filter("json", |value: tera::Value, _: Kwargs, _: &State| -> tera::TeraResult<String> {
        serde_json::to_string(&value).map_err(|error| tera::Error::message(error.to_string()))
    });
    tera.add_raw_templates(CHART.iter().map(|(name, text, _)| (*name, *text)))?;
    let context = Context::from_serialize(&view(config, mode))?;

    let web_apps = names::web_apps(&config.release);
    let mut manifests = Vec::new();
    for (template, _, owner) in CHART {
        let text = tera.render(template, &context)?;
        for document in serde_yaml_ng::Deserializer::from_str(&text) {
            let broken = |reason: String| RenderError::Yaml { template, reason };
            let content = Value::deserialize(document).map_err(|error| broken(error.to_string()))?;
            if content.is_null() {
                continue;
            }
            let mut manifest =
                Manifest::new(owner, content).ok_or_else(|| broken("an object lacks its kind or name".into()))?;
            label(&mut manifest.content, config);
            if manifest.key.kind == "Deployment" && web_apps.contains(&manifest.key.name) {
                manifest.born_with_replicas = Some(mode.web_app_replicas());
            }
            manifests.push(manifest);
        }
    }
    Ok(manifests)
}

/// What `c8_region` owns, as `kind/namespace/name` → digest: the same in every mode.
///
/// # Errors
/// As [`render`].
pub fn objects(config: &ReleaseConfig) -> Result<BTreeMap<String, String>, RenderError> {
    Ok(render(config, Mode::Normal)?
        .iter()
        .filter(|manifest| manifest.owner == Owner::Region)
        .map(|manifest| (manifest.key.to_string(), manifest.digest()))
        .collect())
}

fn label(content: &mut Value, config: &ReleaseConfig) {
    let Some(metadata) = content.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    let labels = metadata.entry("labels").or_insert_with(|| json!({}));
    labels["app.kubernetes.io/name"] = "camunda-platform".into();
    labels["app.kubernetes.io/instance"] = config.release.as_str().into();
    labels[names::MANAGED_BY] = names::FIELD_MANAGER.into();
}

fn view(config: &ReleaseConfig, mode: Mode) -> Value {
    let images: BTreeMap<_, _> = ["zeebe", "operate", "tasklist", "connectors", "elasticsearch", "busybox"]
        .into_iter()
        .map(|component| (component, config.image(component)))
        .collect();
    let web_app = |component: &str, port: u16, readiness: &str, readiness_port: u16| {
        json!({
            "component": component,
            "name": format!("{}-{component}", config.release),
            "image": config.image(component),
            "prefix": format!("CAMUNDA_{}", component.to_uppercase()),
            "port": port,
            "readiness": readiness,
            "readiness_port": readiness_port,
        })
    };
    // their own management port came with the cluster API
    let management = if config.needs_temporary_brokers() { 8080 } else { 9600 };
    let (startup, readiness) = if config.needs_temporary_brokers() {
        ("/startup", "/ready")
    } else {
        ("/actuator/health/startup", "/actuator/health/readiness")
    };
    let admits: Vec<_> =
        if mode.admits() { config.peer_broker_ids().into_iter().map(names::admit).collect() } else { Vec::new() };
    json!({
        "release": config.release,
        "version": config.version,
        "fixed_members": config.needs_temporary_brokers(),
        "broker_startup": startup,
        "broker_readiness": readiness,
        "namespace": config.namespace(),
        "peer_namespace": config.peer_namespace(),
        "regions": names::REGIONS,
        "region_id": config.region_id,
        "brokers": names::brokers(&config.release),
        "brokers_per_region": config.cluster_size / names::REGIONS,
        "gateway": names::gateway(&config.release),
        "operate": format!("{}-operate", config.release),
        "elasticsearch": names::elasticsearch(&config.release),
        "elasticsearch_service": names::elasticsearch_service(&config.release),
        "cluster_size": config.cluster_size,
        "partition_count": config.partition_count,
        "replication_factor": config.replication_factor,
        "contact_points": config.contact_points(),
        "elasticsearch_urls": config.namespaces.iter().map(|ns| config.elasticsearch_url(ns)).collect::<Vec<_>>(),
        "own_elasticsearch_url": config.elasticsearch_url(config.namespace()),
        "failure_timeout": config.failure_timeout,
        "probe_interval": config.probe_interval(),
        "storage_class": config.storage_class,
        "own_storage_class": config.storage_class == ReleaseConfig::OWN_STORAGE_CLASS,
        "storage_size": config.storage_size,
        "elasticsearch_storage_size": config.elasticsearch_storage_size,
        "cpu": config.cpu,
        "memory": config.memory,
        "images": images,
        "gate_script": gate::SCRIPT,
        "start_script": gate::START,
        "keystore_script": gate::KEYSTORE,
        "web_apps": [
            web_app("operate", 80, "/actuator/health/readiness", management),
            web_app("tasklist", 80, "/actuator/health/readiness", management),
            web_app("connectors", 8080, "/actuator/health/readiness", 8080),
        ],
        "mode": mode.data(),
        "admits": admits,
    })
}
