//! Makes the chain so, in both regions at the same time, and proves it. A region that does not answer is left out with a
//! warning: its peer's half is made, and the next apply makes the rest.

use std::time::Duration;

use c8_clients::{
    Pace, Wait,
    gcp::DnsProvider,
    kubernetes::{
        Error,
        probe::{self, ProbeItem},
    },
};
use c8_release::names::HERE;
use c8_schemas::{DnsChain, topology::Place};
use terraform_plugin::{Apply, Attr, Context, Fault};

use super::{
    DnsChainResource,
    cluster_dns::{ClusterDns, DnsError},
};
use crate::{
    drift::Drift,
    installation::{Installation, RegionAt, import},
    provider::{Alive, C8, Reach, living, resolve, wait, within_a_look},
};

/// Time for names to resolve once all is written: caches, rules that are not yet effective.
const PROOF: Duration = Duration::from_secs(3 * 60);
/// Time for one probe pod.
const POD: Duration = Duration::from_secs(60);

/// Looks, without changing anything. What was known to be wrong stays known while it can't be looked at.
pub async fn look(
    ctx: &Context<C8>,
    installation: &Installation,
    mut prior: DnsChain,
    before: Drift,
) -> (DnsChain, Drift) {
    let reaches = ctx.client.reach_both(installation).await;
    let [Ok(zero), Ok(one)] = both_living(installation, &reaches) else {
        // c8_region warns; nothing can be repaired now, so nothing is called wrong
        return (prior, Drift::default());
    };
    let looks = async { futures::join!(seen(ctx, installation, 0, zero), seen(ctx, installation, 1, one)) };
    let (zero, one) = match within_a_look(looks).await {
        Some((Ok(zero), Ok(one))) => (zero, one),
        Some((zero, one)) => {
            for (region, half) in installation.regions.iter().zip([zero, one]) {
                if let Err(error) = half {
                    unseen(ctx, installation, region, &error).await;
                }
            }
            return (prior, before);
        }
        None => return (prior, before),
    };
    let mut drift = Vec::new();
    for (region, own, peer) in [(&installation.regions[0], &zero, &one), (&installation.regions[1], &one, &zero)] {
        match &peer.address {
            None => drift.push(format!("the DNS of the peer of {} has no address", region.title())),
            Some(address) if own.forwarded != [address.clone()] => {
                drift.push(format!("{} does not forward names to its peer", region.title()));
            }
            Some(_) => {}
        }
    }
    prior.addresses = addresses([zero.address, one.address]);
    if !drift.is_empty() {
        prior.verified = Attr::Known(false);
    } else if prior.verified != Attr::Known(true) {
        drift.push("names were not seen to resolve both ways".to_owned());
    }
    (prior, Drift { drift })
}

/// The first look after an import. `None` if there is nothing of a chain in either region.
pub async fn imported(
    ctx: &Context<C8>,
    installation: &Installation,
    mut prior: DnsChain,
) -> Option<(DnsChain, Drift)> {
    prior.regions = import::complete(&ctx.client, installation).await;
    prior.id = Attr::Known(installation.group.clone());
    // the proof is a pod in each region: an apply's, not a read's
    prior.verified = Attr::Known(false);
    prior.addresses = addresses([None, None]);
    let reaches = ctx.client.reach_both(installation).await;
    if let [Ok(zero), Ok(one)] = both_living(installation, &reaches) {
        let looks = async { futures::join!(seen(ctx, installation, 0, zero), seen(ctx, installation, 1, one)) };
        if let Some((Ok(zero), Ok(one))) = within_a_look(looks).await
            && [&zero, &one].into_iter().all(|half| half.address.is_none() && half.forwarded.is_empty())
        {
            return None;
        }
    }
    Some(look(ctx, installation, prior, unproven()).await)
}

async fn unseen(ctx: &Context<C8>, installation: &Installation, region: &RegionAt, error: &DnsError) {
    let text = format!("{}: {error}", region.title());
    match error {
        DnsError::Kubernetes(Error::Forbidden { .. }) => {
            ctx.client.warn_of_rights(ctx, installation, "The DNS chain", &text).await;
        }
        _ => ctx.warn(
            "The DNS chain can't be looked at",
            format!(
                "{text}.\nWhat is known of it stays as it is; a change of it may go unseen until it can be looked at."
            ),
        ),
    }
}

struct Seen {
    address: Option<String>,
    forwarded: Vec<String>,
}

async fn seen(ctx: &Context<C8>, installation: &Installation, id: u8, alive: &Alive) -> Result<Seen, DnsError> {
    let dns = ClusterDns::new(&alive.kubernetes, wait(ctx));
    let domain = installation.peer(id).dns_domain();
    let (address, forwarded) = futures::join!(dns.address(), dns.forwarded(&domain));
    Ok(Seen { address: address?, forwarded: forwarded? })
}

/// Creates and changes until the chain is so.
pub async fn converge(ctx: &Context<C8>, apply: Apply<DnsChainResource>) -> Result<(DnsChain, Drift), Fault> {
    let installation = resolve(&ctx.client, &apply.planned.regions)?;
    let mut model = apply.planned.clone();
    model.id = Attr::Known(installation.group.clone());
    model.verified = Attr::Known(false);

    let reaches = ctx.client.look_at_both(&installation).await;
    let mut living = both_living(&installation, &reaches).map(|living| living.map_err(Some));
    if let [Err(Some(zero)), Err(Some(one))] = &living {
        return Err(Fault::new(
            "No region answers",
            format!(
                "{}: {zero}.\n{}: {one}.\nNothing was done. Apply again when one of them answers.",
                installation.regions[0].title(),
                installation.regions[1].title()
            ),
        ));
    }
    for (region, living) in installation.regions.iter().zip(&living) {
        if let Err(Some(why)) = living {
            postponed(ctx, region, why);
        }
    }

    // the load balancers, at the same time
    let [zero, one] = &living;
    let (zero, one) = futures::join!(expose(ctx, zero), expose(ctx, one));
    let mut found = [None, None];
    for (index, exposed) in [zero, one].into_iter().enumerate() {
        match exposed {
            None => {}
            Some(Ok(address)) => found[index] = Some(address),
            Some(Err(error)) => {
                let region = &installation.regions[index];
                tell(ctx, region, &error).await?;
                living[index] = Err(None);
            }
        }
    }
    // a peer that does not answer keeps the address that it had
    let known = apply.prior.as_ref().and_then(|prior| prior.addresses.known().cloned()).unwrap_or_default();
    for (index, slot) in found.iter_mut().enumerate() {
        let before = known.get(index).and_then(Attr::known).filter(|address| !address.is_empty());
        *slot = slot.take().or_else(|| before.cloned());
    }
    model.addresses = addresses(found.clone());
    apply.save.save(model.clone(), unproven());

    // the stub domains, at the same time
    let (zero, one) = futures::join!(
        chain(ctx, &installation, 0, &living[0], found[1].as_ref()),
        chain(ctx, &installation, 1, &living[1], found[0].as_ref()),
    );
    let mut restarted = [false, false];
    for (index, chained) in [zero, one].into_iter().enumerate() {
        match chained {
            Ok(changed) => restarted[index] = changed,
            Err(error) => {
                tell(ctx, &installation.regions[index], &error).await?;
                living[index] = Err(None);
            }
        }
    }

    let [Ok(zero), Ok(one)] = &living else {
        // nothing more can be done now: the next read that sees both finds it unverified
        return Ok((model, Drift::default()));
    };
    let (zero, one) = futures::join!(
        prove(ctx, &installation, 0, zero, restarted[0]),
        prove(ctx, &installation, 1, one, restarted[1]),
    );
    ctx_alive(ctx)?;
    let unresolved: Vec<String> = [zero, one].into_iter().filter_map(Result::err).collect();
    if unresolved.is_empty() {
        model.verified = Attr::Known(true);
        return Ok((model, Drift::default()));
    }
    ctx.warn(
        "Names do not resolve yet",
        format!(
            "{}\nThe chain is written. If the firewall between the regions is made after it, or DNS answers were cached, the \
             next apply verifies it; otherwise look at `kubectl -n kube-system get service c8-dns` and the DNS pods.",
            unresolved.join("\n")
        ),
    );
    Ok((model, unproven()))
}

/// Takes our own entries out of both clusters. What can't be reached is named, not waited for.
pub async fn remove(ctx: &Context<C8>, installation: &Installation) -> Result<(), Fault> {
    let reaches = ctx.client.look_at_both(installation).await;
    let remove = |id: u8| {
        let (region, reach) = (installation.region(id), &reaches[usize::from(id)]);
        async move {
            let alive = match living(region, reach) {
                Ok(alive) => alive,
                // gone, or another one: nothing of ours is in it
                Err(_) if !matches!(reach, Reach::Silent(_)) => return Ok(()),
                Err(why) if nobody_knows(region, reach) => return Err(unknown(region, &why)),
                Err(why) => {
                    left_behind(ctx, region, &why);
                    return Ok(());
                }
            };
            let dns = ClusterDns::new(&alive.kubernetes, wait(ctx));
            let removed = async {
                if dns.forget(&installation.peer(id).dns_domain()).await? {
                    dns.restart().await?;
                }
                dns.withdraw().await
            };
            match removed.await {
                Ok(()) | Err(DnsError::Unsupported) => Ok(()),
                Err(error) => match ctx.client.look(&region.place).await {
                    Reach::Alive(_) => Err(fault(region, &error)),
                    Reach::Absent => Ok(()),
                    Reach::Silent(_) => {
                        left_behind(ctx, region, &error.to_string());
                        Ok(())
                    }
                },
            }
        }
    };
    let (zero, one) = futures::join!(remove(0), remove(1));
    zero.and(one)
}

/// Google itself does not answer: the cluster may well live, and to forget the chain would leave it behind.
fn nobody_knows(region: &RegionAt, reach: &Reach) -> bool {
    match (&region.place, reach) {
        (Place::Gke { .. }, Reach::Silent(silent)) => silent.cluster.is_none(),
        _ => false,
    }
}

fn unknown(region: &RegionAt, why: &str) -> Fault {
    Fault::new(
        "DNS chain can't be removed",
        format!(
            "{}: {why}. Whether the cluster still lives can't be told, so its half is kept. Destroy again later.",
            region.title()
        ),
    )
}

type Half<'a> = Result<&'a Alive, Option<String>>;

fn both_living<'a>(installation: &Installation, reaches: &'a [Reach; 2]) -> [Result<&'a Alive, String>; 2] {
    [living(&installation.regions[0], &reaches[0]), living(&installation.regions[1], &reaches[1])]
}

async fn expose(ctx: &Context<C8>, half: &Half<'_>) -> Option<Result<String, DnsError>> {
    let alive = half.as_ref().ok()?;
    if alive.cluster.as_ref().is_some_and(|cluster| cluster.dns == DnsProvider::CloudDns) {
        return Some(Err(DnsError::Unsupported));
    }
    Some(ClusterDns::new(&alive.kubernetes, wait(ctx)).expose().await)
}

/// Forwards the peer's names to its address; `true` if the DNS pods were restarted for it.
async fn chain(
    ctx: &Context<C8>,
    installation: &Installation,
    id: u8,
    half: &Half<'_>,
    address: Option<&String>,
) -> Result<bool, DnsError> {
    let (Ok(alive), Some(address)) = (half, address) else { return Ok(false) };
    let dns = ClusterDns::new(&alive.kubernetes, wait(ctx));
    let changed = dns.forward(&installation.peer(id).dns_domain(), std::slice::from_ref(address)).await?;
    if changed {
        dns.restart().await?;
    }
    Ok(changed)
}

/// Asks a pod of the region for a name of its peer until it resolves. A sentence if it does not.
async fn prove(
    ctx: &Context<C8>,
    installation: &Installation,
    id: u8,
    alive: &Alive,
    mut restarted: bool,
) -> Result<(), String> {
    let region = installation.region(id);
    let name = installation.peer(id).dns_name(HERE);
    let wait = wait(ctx).within(PROOF);
    let pace = Pace::begin();
    let mut tries = 0_u32;
    loop {
        let items = [ProbeItem::Resolve(name.clone())];
        let why = match probe::run(&alive.kubernetes, &region.namespace, &items, &wait.within(POD)).await {
            Ok(results) => match results.first() {
                Some(result) if result.ok => return Ok(()),
                Some(result) => result.detail.clone(),
                None => "the probe gave no answer".to_owned(),
            },
            Err(error) => error.to_string(),
        };
        tries += 1;
        tracing::debug!(region = id, name, why, tries, "the name does not resolve yet");
        // an apply that was killed between writing the stub domain and the restart left pods that never read it
        if tries == 2 && !restarted {
            restarted = true;
            if let Err(error) = ClusterDns::new(&alive.kubernetes, wait.clone()).restart().await {
                return Err(format!("{}: {error}.", region.title()));
            }
        }
        if wait.pause(pace.pause()).await.is_err() {
            return Err(format!("{}: `{name}` does not resolve ({why}).", region.title()));
        }
    }
}

fn addresses(found: [Option<String>; 2]) -> Attr<Vec<Attr<String>>> {
    Attr::Known(found.into_iter().map(|address| Attr::Known(address.unwrap_or_default())).collect())
}

fn unproven() -> Drift {
    Drift { drift: vec!["names were not seen to resolve both ways".to_owned()] }
}

/// A half failed: an error if its cluster answers, a warning if it was lost in between.
async fn tell(ctx: &Context<C8>, region: &RegionAt, error: &DnsError) -> Result<(), Fault> {
    ctx_alive(ctx)?;
    match ctx.client.look(&region.place).await {
        Reach::Alive(_) => Err(fault(region, error)),
        Reach::Absent => {
            postponed(ctx, region, "its cluster does not exist");
            Ok(())
        }
        Reach::Silent(silent) => {
            postponed(ctx, region, &silent.why);
            Ok(())
        }
    }
}

/// Stop is no reason for a warning about regions.
fn ctx_alive(ctx: &Context<C8>) -> Result<(), Fault> {
    Wait::new(ctx.deadline, ctx.cancel.clone()).check().map_err(|why| {
        Fault::new("DNS chain is not complete", format!("While it was being made, {why}. Apply again to go on."))
    })
}

fn postponed(ctx: &Context<C8>, region: &RegionAt, why: &str) {
    ctx.warn(
        "DNS chain is postponed",
        format!(
            "{}: {why}. Its half of the DNS chain is left as it is; the other half was made. The next apply after it is back \
             or rebuilt makes the rest.",
            region.title()
        ),
    );
}

fn left_behind(ctx: &Context<C8>, region: &RegionAt, why: &str) {
    ctx.warn(
        "DNS chain can't be removed",
        format!(
            "{}: {why}. If the cluster comes back, remove its Service kube-system/c8-dns and our entry of the stub domains by \
             hand; if it is deleted, look for a left-over forwarding rule of that Service.",
            region.title()
        ),
    );
}

fn fault(region: &RegionAt, error: &DnsError) -> Fault {
    Fault::new(
        "DNS chain can't be made right",
        format!("{}: {error}. What was done stays; apply again to go on.", region.title()),
    )
}
