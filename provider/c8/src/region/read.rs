//! Read of `c8_region`: looks, and keeps the state of a region that can't be seen.
//!
//! A vanished cluster is not dropped from the state, as the convention would be: Terraform would plan to create it in a
//! dead location, and `c8_failover`, which depends on it, could not run.

use std::collections::BTreeMap;

use c8_clients::kubernetes::{DEPLOYMENT, Error, Kubernetes, NAMESPACE, PERSISTENT_VOLUME, SERVICE, STATEFUL_SET};
use c8_release::apply::{Applier, DIGEST};
use c8_release::inventory::{Inventory, PART_OF};
use c8_release::{Mode, ReleaseConfig, render};
use c8_schemas::{Region, RegionRef};
use serde_json::Value;
use terraform_plugin::{Attr, Context, Fault};

use super::setup::{Setup, capital, title};
use super::{Alone, Observation, live, phase};
use crate::agreement::{self, Terms};
use crate::installation::DEFAULT_RELEASE;
use crate::provider::{Alive, C8, Reach, within_a_look};

/// Looks at the region.
pub async fn read(
    ctx: &Context<C8>,
    prior: Region,
    seen_before: Option<Observation>,
) -> Result<Option<(Region, Observation)>, Fault> {
    let project = ctx.client.project();
    let Some(reference) = prior.r#ref.known() else { return Ok(Some((prior, seen_before.unwrap_or_default()))) };
    let Ok(place) = reference.place(project) else { return Ok(Some((prior, seen_before.unwrap_or_default()))) };
    let peer_place = peer_entry(&prior).and_then(|entry| entry.place(project).ok());
    let (own, peer) = futures::join!(ctx.client.reach(&place), async {
        match &peer_place {
            Some(place) => Some(ctx.client.reach(place).await),
            None => None,
        }
    });
    let imported = prior.topology.is_null() && prior.phase.is_null();
    // what can't be asked now is what was seen last: disks, the survivor, what runs in the peer
    let mut seen = seen_before.unwrap_or_default();
    seen.peer_in_trouble = peer.as_ref().is_some_and(in_trouble);
    let (alone, terms) =
        within_a_look(async { futures::join!(alone(&prior, &own, peer.as_ref()), peer_terms(&prior, peer.as_ref())) })
            .await
            .unwrap_or_default();
    if let Some(alone) = alone {
        seen.alone = alone;
    }
    seen.peer = terms.or(seen.peer);
    let alone = seen.alone;
    let meant = reference.cluster_uid.known().cloned();
    match &own {
        Reach::Alive(alive) if meant.as_ref().is_none_or(|uid| *uid == alive.uid) => {
            let looked = within_a_look(read_alive(&prior, reference, alive)).await;
            let silent = || Error::Unreachable {
                endpoint: alive.kubernetes.endpoint().to_owned(),
                cause: "it answers, but not in time".to_owned(),
            };
            match looked.unwrap_or_else(|| Err(silent())) {
                Ok((model, disks)) => Ok(Some((model, Observation { disks, ..seen }))),
                Err(error @ Error::Forbidden { .. }) => {
                    forbidden(ctx, &prior, &error.to_string());
                    Ok(Some((prior, seen)))
                }
                Err(error) if is_silence(&error) => {
                    let evidence = given_up(&prior, alone);
                    Ok(Some((lose(ctx, prior, &error.to_string(), evidence.as_deref(), alone), seen)))
                }
                Err(error) => Err(Fault::new("Region can't be read", format!("{}: {error}.", name(&prior)))),
            }
        }
        Reach::Alive(alive) => {
            let why =
                format!("its cluster is another one (UID {} instead of {})", alive.uid, meant.unwrap_or_default());
            Ok(Some((lose(ctx, prior, &why, Some("it was rebuilt outside of Terraform"), alone), seen)))
        }
        Reach::Absent if imported => Ok(None),
        Reach::Absent => {
            let why = "its GKE cluster does not exist";
            Ok(Some((lose(ctx, prior, why, Some("nothing of it can come back"), alone), seen)))
        }
        Reach::Silent(silent) if silent.forbidden => {
            // never evidence of anything
            forbidden(ctx, &prior, &silent.why);
            Ok(Some((prior, seen)))
        }
        Reach::Silent(silent) => {
            let evidence = match given_up(&prior, alone) {
                Some(evidence) => Some(evidence),
                None => within_a_look(evidence(&prior, peer.as_ref())).await.flatten(),
            };
            Ok(Some((lose(ctx, prior, &silent.why, evidence.as_deref(), alone), seen)))
        }
    }
}

/// Permissions are never evidence of anything (design.md 3.8).
fn forbidden(ctx: &Context<C8>, prior: &Region, why: &str) {
    ctx.warn(
        format!("{} can't be looked at", name(prior)),
        format!(
            "{}.\nThat says nothing of its health: what is known of it stays as it is. The guide \"Permissions\" lists what a plan \
             needs.",
            capital(why)
        ),
    );
}

/// An API server that fails by itself is as good as none that answers.
fn is_silence(error: &Error) -> bool {
    error.is_unreachable() || matches!(error, Error::Api { status: 500.., .. })
}

fn in_trouble(reach: &Reach) -> bool {
    match reach {
        Reach::Alive(_) => false,
        Reach::Absent => true,
        Reach::Silent(silent) => !silent.forbidden,
    }
}

fn peer_entry(model: &Region) -> Option<&c8_schemas::TopologyEntry> {
    let peer = usize::from(model.region_id.known() == Some(&0));
    model.topology.known()?.get(peer)?.known()
}

/// The region at the beginning of a sentence.
fn name(model: &Region) -> String {
    let reference = model.r#ref.known();
    let namespace = reference.and_then(|reference| reference.namespace.known()).map_or("", String::as_str);
    match model.region_id.known().and_then(|id| u8::try_from(*id).ok()) {
        Some(id) => capital(&title(id, namespace)),
        None => format!("The region in {namespace}"),
    }
}

async fn evidence(prior: &Region, peer: Option<&Reach>) -> Option<String> {
    let alive = peer?.alive()?;
    let region_id = u8::try_from(*prior.region_id.known()?).ok()?;
    let namespace = peer_entry(prior)?.namespace.known()?;
    let release =
        prior.r#ref.known().and_then(|reference| reference.release.known()).map_or(DEFAULT_RELEASE, String::as_str);
    live::missed_by(&alive.kubernetes, namespace, release, region_id).await
}

/// The record calls the region lost.
fn given_up(prior: &Region, alone: Option<Alone>) -> Option<String> {
    let alone = alone.filter(|alone| prior.region_id.known() != Some(&i64::from(alone.survivor)))?;
    Some(format!("the record of the installation calls it lost (epoch {})", alone.epoch))
}

/// Whether one region carries the installation alone, by the newest record that can be read; outer `None` if none can.
async fn alone(prior: &Region, own: &Reach, peer: Option<&Reach>) -> Option<Option<Alone>> {
    let region_id = u8::try_from(*prior.region_id.known()?).ok()?;
    let namespace = |attr: Option<&Attr<String>>| attr.and_then(Attr::known).cloned();
    let places = [
        (region_id, Some(own), namespace(prior.r#ref.known().map(|reference| &reference.namespace))),
        (u8::from(region_id == 0), peer, namespace(peer_entry(prior).map(|entry| &entry.namespace))),
    ];
    let looks = places.into_iter().filter_map(|(id, reach, namespace)| {
        let (alive, namespace) = (reach?.alive()?, namespace?);
        Some(async move {
            let record = live::record(&alive.kubernetes, &namespace).await.ok().flatten();
            record.filter(|record| !record.is_void_in(id, &alive.uid))
        })
    });
    let found = futures::future::join_all(looks).await;
    found.into_iter().flatten().max_by_key(c8_release::Record::version_order).map(|record| Alone::by(&record))
}

/// What runs in the peer, if it can be seen.
async fn peer_terms(prior: &Region, peer: Option<&Reach>) -> Option<Terms> {
    let setup = Setup::of(prior).ok()?;
    agreement::of(peer?, &setup).await.ok().flatten()
}

/// Keeps the state; without evidence the region is unreachable, not lost. What was called lost stays so until it answers.
fn lose(ctx: &Context<C8>, mut prior: Region, why: &str, evidence: Option<&str>, alone: Option<Alone>) -> Region {
    let was_lost = prior.phase.known().is_some_and(|phase| phase == phase::LOST);
    let lost = evidence.is_some() || was_lost;
    let evidence = evidence.map(|evidence| format!("; {evidence}")).unwrap_or_default();
    let detail = if let (true, Some(alone)) = (lost, alone) {
        // nobody should be told to do what is done
        format!(
            "It counts as lost: {why}{evidence}.\nIts state is kept, and region {} carries the installation alone. \
             `terraform apply -replace` rebuilds this one; `failover_active = false` takes it back then.",
            alone.survivor
        )
    } else if lost {
        format!(
            "It counts as lost: {why}{evidence}.\nIts state is kept. The data source c8_dr_state shows what the rest of the \
             installation sees; `failover_active = true` runs on the other region; `terraform apply -replace` rebuilds this one."
        )
    } else {
        format!(
            "{}.\nNothing else says that it is lost, and its state is kept. Look again in a while; the data source c8_dr_state \
             shows what the rest of the installation sees.",
            capital(why)
        )
    };
    ctx.warn(format!("{} is unreachable", name(&prior)), detail);
    prior.phase = Attr::Known((if lost { phase::LOST } else { phase::UNREACHABLE }).to_owned());
    prior
}

/// Reads a cluster that answers. Also gives the names of its disks, for the day when it can't be asked.
async fn read_alive(prior: &Region, reference: &RegionRef, alive: &Alive) -> Result<(Region, Vec<String>), Error> {
    let mut model = prior.clone();
    let kubernetes = &alive.kubernetes;
    let namespace = reference.namespace.known().cloned().unwrap_or_default();
    let setup = Setup::of(prior).ok();
    let inventory_of = match &setup {
        Some(setup) => {
            let manifests = render(&setup.release, Mode::Normal).unwrap_or_default();
            let applier = Applier::new(kubernetes.clone(), &setup.release);
            model.objects = known(applier.observe(&manifests).await?);
            Inventory { release: setup.release.release.clone(), namespace: namespace.clone() }
        }
        None => discover(&mut model, kubernetes, &namespace).await?,
    };
    let parent = kubernetes.find(&inventory_of.key().object()).await?;
    let installed = parent.as_ref().is_some_and(Inventory::says_installed);
    let held = live::switched(kubernetes, &namespace).await?.is_some_and(|switched| switched.held);
    model.phase = Attr::Known(phase::of(installed, held).to_owned());
    note_cluster(&mut model, alive);
    let disks = disks(kubernetes, &namespace).await.unwrap_or_default();
    Ok((model, disks))
}

/// What only the cluster can tell.
pub fn note_cluster(model: &mut Region, alive: &Alive) {
    if let Attr::Known(reference) = &mut model.r#ref {
        reference.cluster_uid = Attr::Known(alive.uid.clone());
    }
    match &alive.cluster {
        Some(cluster) => {
            model.pod_cidr = filled(&cluster.pod_cidr);
            let own = format!("c8-{}", cluster.name);
            let tag = cluster.node_tags.iter().find(|tag| **tag == own).or_else(|| cluster.node_tags.first());
            model.node_tag = tag.map_or(Attr::Null, |tag| filled(tag));
        }
        None => {
            model.pod_cidr = Attr::Null;
            model.node_tag = Attr::Null;
        }
    }
}

fn filled(text: &str) -> Attr<String> {
    if text.is_empty() { Attr::Null } else { Attr::Known(text.to_owned()) }
}

/// Digests as the model holds them.
pub fn known(objects: BTreeMap<String, String>) -> Attr<BTreeMap<String, Attr<String>>> {
    Attr::Known(objects.into_iter().map(|(key, digest)| (key, Attr::Known(digest))).collect())
}

/// Reads a region of which an import knows no more than the place.
async fn discover(model: &mut Region, kubernetes: &Kubernetes, namespace: &str) -> Result<Inventory, Error> {
    let brokers = kubernetes.list(&STATEFUL_SET, namespace, "app.kubernetes.io/component=zeebe-broker").await?;
    let text = |object: &Value, pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let set = brokers.first().cloned().unwrap_or_default();
    let release = text(&set, "/spec/template/metadata/labels/app.kubernetes.io~1instance")
        .unwrap_or_else(|| DEFAULT_RELEASE.into());
    let containers =
        set.pointer("/spec/template/spec/initContainers").and_then(Value::as_array).cloned().unwrap_or_default();
    let env = containers.iter().filter_map(|container| container["env"].as_array()).flatten();
    let region_id = env
        .filter(|entry| entry["name"] == "C8_REGION_ID")
        .find_map(|entry| entry["value"].as_str()?.parse::<i64>().ok());
    let group = live::record(kubernetes, namespace).await.ok().flatten().map(|record| record.group);
    if let Some(id) = region_id {
        model.region_id = Attr::Known(id);
    }
    if let Some(group) = group {
        model.group = Attr::Known(group);
    }
    if let Attr::Known(reference) = &mut model.r#ref {
        reference.region_id = model.region_id;
        reference.group = model.group.clone();
        reference.release = Attr::Known(release.clone());
    }

    let inventory = Inventory { release, namespace: namespace.to_owned() };
    let labels = format!("{PART_OF}={}", inventory.id());
    let mut objects = BTreeMap::new();
    let mut note = |kind: &str, namespace: &str, object: &Value| {
        let digest = object.pointer("/metadata/annotations").and_then(|annotations| annotations[DIGEST].as_str());
        if let (Some(name), Some(digest)) = (text(object, "/metadata/name"), digest) {
            objects.insert(format!("{kind}/{namespace}/{name}"), digest.to_owned());
        }
    };
    for resource in [&SERVICE, &DEPLOYMENT, &STATEFUL_SET] {
        for object in kubernetes.list(resource, namespace, &labels).await? {
            note(&resource.kind, namespace, &object);
        }
    }
    let class = c8_clients::kubernetes::STORAGE_CLASS.named("", ReleaseConfig::OWN_STORAGE_CLASS);
    for object in [NAMESPACE.named("", namespace), class] {
        if let Some(found) = kubernetes.find(&object).await? {
            note(&object.resource.kind, "-", &found);
        }
    }
    model.objects = known(objects);
    Ok(inventory)
}

/// The disks of the region's claims, by the cloud's names.
async fn disks(kubernetes: &Kubernetes, namespace: &str) -> Result<Vec<String>, Error> {
    let volumes = kubernetes.list(&PERSISTENT_VOLUME, "", "").await?;
    let mut disks: Vec<String> = volumes
        .iter()
        .filter(|volume| volume.pointer("/spec/claimRef/namespace").and_then(Value::as_str) == Some(namespace))
        .filter_map(|volume| {
            let handle =
                volume.pointer("/spec/csi/volumeHandle").or_else(|| volume.pointer("/spec/gcePersistentDisk/pdName"));
            handle.or_else(|| volume.pointer("/metadata/name")).and_then(Value::as_str).map(str::to_owned)
        })
        .collect();
    disks.sort();
    Ok(disks)
}
