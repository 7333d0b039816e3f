//! Makes the rules so: looks at clusters and rules, inserts what is missing, replaces what differs.

use c8_clients::gcp::{Direction, Error, Firewall as GcpRule, Ports};
use c8_schemas::{Firewall, FirewallRule, topology::Place};
use terraform_plugin::{Apply, Attr, Context, Fault};

use super::{
    FirewallResource,
    rules::{ClusterFacts, PRIORITY, TCP_PORTS, UDP_PORTS, Wanted, conflict, rule_name, short, wanted},
};
use crate::{
    drift::Drift,
    installation::{Installation, RegionAt},
    provider::{C8, resolve, wait, within_a_look},
};

/// What was found of both rules.
pub struct Seen {
    /// The rules that exist, in the order of the regions they admit to.
    pub rules: Vec<FirewallRule>,
    /// What differs from what is wanted.
    pub drift: Vec<String>,
}

/// Looks, without changing anything. `None` if the rules themselves can't be asked for. What was known to be wrong stays known
/// while a cluster's ranges can't be asked for; where a cluster is gone, nothing can be repaired, and nothing is called wrong.
pub async fn look(ctx: &Context<C8>, installation: &Installation, before: &Drift) -> Option<Seen> {
    let client = &ctx.client;
    let looks = async {
        futures::join!(
            both_facts(client, installation),
            existing(client, installation, 0),
            existing(client, installation, 1),
        )
    };
    let (facts, zero, one) = within_a_look(looks).await?;
    for refused in [&zero, &one].into_iter().filter_map(|found| found.as_ref().err()) {
        if matches!(refused, Error::Forbidden { .. }) {
            client.warn_of_rights(ctx, installation, "The rules between the regions", &refused.to_string()).await;
            return None;
        }
    }
    let found = [zero.ok()?, one.ok()?];
    let drift = match facts {
        [Ok(zero), Ok(one)] => wanted(installation, &[zero, one]).map_or_else(Vec::new, |wanted| {
            wanted.iter().zip(&found).filter_map(|(wanted, found)| difference(wanted, found.as_ref())).collect()
        }),
        _ => before.drift.clone(),
    };
    Some(Seen { rules: found.iter().flatten().map(as_read).collect(), drift })
}

/// Creates and replaces rules until they are as wanted.
pub async fn converge(ctx: &Context<C8>, apply: Apply<FirewallResource>) -> Result<(Firewall, Drift), Fault> {
    let installation = resolve(&ctx.client, &apply.planned.regions)?;
    let mut model = apply.planned.clone();
    model.id = Attr::Known(installation.group.clone());
    let facts = both_facts(&ctx.client, &installation).await;
    let mut known = [None, None];
    for (region, (slot, facts)) in installation.regions.iter().zip(known.iter_mut().zip(facts)) {
        match facts {
            Ok(Some(facts)) if facts.node_tags.is_empty() => return Err(no_tags(region)),
            Ok(Some(facts)) => *slot = Some(facts),
            Ok(None) => postponed(ctx, region, "the cluster does not exist, or is not provisioned yet"),
            Err(error @ (Error::Credentials { .. } | Error::Forbidden { .. })) => return Err(fault(region, &error)),
            Err(error) => postponed(ctx, region, &error.to_string()),
        }
    }
    if let Some(conflict) = conflict(&known) {
        return Err(Fault::new("Pod addresses overlap", conflict));
    }
    if let Some([zero, one]) = wanted(&installation, &known) {
        let (zero, one) = futures::join!(ensure(ctx, &installation, &zero), ensure(ctx, &installation, &one));
        zero?;
        one?;
    }
    let (zero, one) = futures::join!(existing(&ctx.client, &installation, 0), existing(&ctx.client, &installation, 1));
    let found = [zero, one].into_iter().zip(&installation.regions);
    let found =
        found.map(|(found, region)| found.map_err(|error| fault(region, &error))).collect::<Result<Vec<_>, _>>()?;
    model.rules = Attr::Known(found.iter().flatten().map(|rule| Attr::Known(as_read(rule))).collect());
    Ok((model, Drift::default()))
}

/// Deletes both rules; that they are gone is success.
pub async fn remove(ctx: &Context<C8>, installation: &Installation) -> Result<(), Fault> {
    let delete = |to: u8| async move {
        let region = installation.region(to);
        let Some(project) = project(region) else { return Ok(()) };
        let name = rule_name(&installation.group, to);
        let rules = ctx.client.gcp().firewalls(project);
        rules.delete(&name, &wait(ctx)).await.map(drop).map_err(|error| fault(region, &error))
    };
    let (zero, one) = futures::join!(delete(0), delete(1));
    zero.and(one)
}

async fn ensure(ctx: &Context<C8>, installation: &Installation, wanted: &Wanted) -> Result<(), Fault> {
    let region = installation.region(wanted.to);
    let rules = ctx.client.gcp().firewalls(wanted.project.clone());
    let rule = as_wanted(installation, wanted);
    let work = async {
        let found = match rules.get(&wanted.name).await? {
            None => match rules.insert(&rule, &wait(ctx)).await {
                // somebody's, or an interrupted apply's of ours, in between
                Err(Error::AlreadyExists { .. }) => rules.get(&wanted.name).await?,
                done => return done,
            },
            found => found,
        };
        match found {
            Some(found) if difference(wanted, Some(&found)).is_none() => Ok(()),
            Some(found) if found.network == wanted.network => rules.update(&rule, &wait(ctx)).await,
            // the network of a rule can't be changed
            _ => {
                rules.delete(&wanted.name, &wait(ctx)).await?;
                rules.insert(&rule, &wait(ctx)).await
            }
        }
    };
    work.await.map_err(|error| fault(region, &error))
}

async fn both_facts(client: &C8, installation: &Installation) -> [Result<Option<ClusterFacts>, Error>; 2] {
    let (zero, one) = futures::join!(facts(client, installation.region(0)), facts(client, installation.region(1)));
    [zero, one]
}

async fn facts(client: &C8, region: &RegionAt) -> Result<Option<ClusterFacts>, Error> {
    let Place::Gke { project, location, cluster } = &region.place else { return Ok(None) };
    let Some(cluster) = client.gcp().clusters().get(project, location, cluster).await? else { return Ok(None) };
    if cluster.pod_cidr.is_empty() {
        return Ok(None);
    }
    let network = if cluster.network.is_empty() { region.network.as_str() } else { short(&cluster.network) };
    Ok(Some(ClusterFacts {
        project: project.clone(),
        network: network.to_owned(),
        pod_cidr: cluster.pod_cidr.clone(),
        node_tags: cluster.node_tags,
    }))
}

async fn existing(client: &C8, installation: &Installation, to: u8) -> Result<Option<GcpRule>, Error> {
    let Some(project) = project(installation.region(to)) else { return Ok(None) };
    client.gcp().firewalls(project).get(&rule_name(&installation.group, to)).await
}

fn project(region: &RegionAt) -> Option<String> {
    match &region.place {
        Place::Gke { project, .. } => Some(project.clone()),
        Place::Kubeconfig { .. } => None,
    }
}

fn as_wanted(installation: &Installation, wanted: &Wanted) -> GcpRule {
    GcpRule {
        name: wanted.name.clone(),
        network: wanted.network.clone(),
        direction: Direction::Ingress,
        priority: i32::from(PRIORITY),
        disabled: false,
        source_ranges: wanted.source_ranges.clone(),
        destination_ranges: Vec::new(),
        source_tags: Vec::new(),
        target_tags: wanted.target_tags.clone(),
        allowed: allowed(),
        denied: Vec::new(),
        description: format!("Camunda installation {}, managed by terraform-provider-c8", installation.group),
    }
}

fn allowed() -> Vec<Ports> {
    vec![Ports::new("tcp", TCP_PORTS), Ports::new("udp", UDP_PORTS)]
}

fn as_read(rule: &GcpRule) -> FirewallRule {
    let list = |values: &[String]| Attr::Known(sorted(values).into_iter().map(Attr::Known).collect());
    FirewallRule {
        name: Attr::Known(rule.name.clone()),
        direction: Attr::Known(
            match rule.direction {
                Direction::Ingress => "INGRESS",
                Direction::Egress => "EGRESS",
            }
            .to_owned(),
        ),
        source_ranges: list(&rule.source_ranges),
        target_tags: list(&rule.target_tags),
    }
}

/// What of a rule is not as wanted; the order of lists does not count.
fn difference(wanted: &Wanted, found: Option<&GcpRule>) -> Option<String> {
    let name = &wanted.name;
    let Some(found) = found else { return Some(format!("{name} is missing")) };
    let ports = |ports: &[Ports]| {
        let mut list: Vec<_> = ports.iter().map(|entry| (entry.protocol.clone(), sorted(&entry.ports))).collect();
        list.sort();
        list
    };
    let what = if found.disabled {
        "is disabled"
    } else if found.direction != Direction::Ingress || !found.denied.is_empty() {
        "does not admit incoming traffic"
    } else if found.network != wanted.network {
        "is in another network"
    } else if found.priority != i32::from(PRIORITY) {
        "has another priority"
    } else if sorted(&found.source_ranges) != sorted(&wanted.source_ranges) || !found.source_tags.is_empty() {
        "has other source ranges"
    } else if sorted(&found.target_tags) != sorted(&wanted.target_tags) {
        "has other target tags"
    } else if ports(&found.allowed) != ports(&allowed()) {
        "has other ports"
    } else {
        return None;
    };
    Some(format!("{name} {what}"))
}

fn sorted(values: &[String]) -> Vec<String> {
    let mut values = values.to_vec();
    values.sort();
    values
}

fn postponed(ctx: &Context<C8>, region: &RegionAt, why: &str) {
    ctx.warn(
        "Firewall rules are postponed",
        format!(
            "{}: {why}. Its address ranges are not known, so the rules between the regions stay as they are. They are made \
             right by the next apply after the region is back or rebuilt.",
            region.title()
        ),
    );
}

fn no_tags(region: &RegionAt) -> Fault {
    Fault::new(
        "Nodes have no network tag",
        format!(
            "{}: no node pool of the cluster has a network tag, so a firewall rule has nothing to aim at. Add one: `gcloud \
             container node-pools update POOL --tags=…`.",
            region.title()
        ),
    )
}

fn fault(region: &RegionAt, error: &Error) -> Fault {
    Fault::new(
        "Firewall rule can't be made right",
        format!("{}: {error}. What was done stays; apply again to go on.", region.title()),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use rstest::rstest;

    use super::*;
    use crate::installation::testing::regions;

    fn wanted_rule() -> Wanted {
        Wanted {
            to: 0,
            project: "p".into(),
            name: "c8-allow-a-b-r0-from-r1".into(),
            network: "default".into(),
            source_ranges: vec!["10.4.0.0/14".into()],
            target_tags: vec!["c8-zero".into(), "x".into()],
        }
    }

    #[rstest]
    #[case::same(|_: &mut GcpRule| {}, None)]
    #[case::order(|rule: &mut GcpRule| { rule.target_tags.reverse(); rule.allowed.reverse(); }, None)]
    #[case::description(|rule: &mut GcpRule| rule.description.clear(), None)]
    #[case::disabled(|rule: &mut GcpRule| rule.disabled = true, Some("is disabled"))]
    #[case::ranges(|rule: &mut GcpRule| rule.source_ranges = vec!["0.0.0.0/0".into()], Some("has other source ranges"))]
    #[case::tags(|rule: &mut GcpRule| rule.target_tags.clear(), Some("has other target tags"))]
    #[case::ports(|rule: &mut GcpRule| { rule.allowed.pop(); }, Some("has other ports"))]
    #[case::priority(|rule: &mut GcpRule| rule.priority = 65_000, Some("has another priority"))]
    #[case::network(|rule: &mut GcpRule| rule.network = "other".into(), Some("is in another network"))]
    fn drift_is_named(#[case] edit: impl Fn(&mut GcpRule), #[case] expected: Option<&str>) {
        let installation = Installation::resolve(&regions("u0", "u1"), None).unwrap();
        let mut rule = as_wanted(&installation, &wanted_rule());
        edit(&mut rule);
        let found = difference(&wanted_rule(), Some(&rule));
        assert_eq!(found, expected.map(|what| format!("c8-allow-a-b-r0-from-r1 {what}")));
    }

    #[test]
    fn a_missing_rule_is_drift() {
        assert_eq!(difference(&wanted_rule(), None).unwrap(), "c8-allow-a-b-r0-from-r1 is missing");
    }
}
