//! The networks: a router in a namespace of its own, with a leg to the host and one to each cluster. Regions are reached through the router alone,
//! so that its firewall sees every packet between them.

use anyhow::Result;

use crate::command::{ip, run};
use crate::ledger::{Ledger, Made};
use crate::place::{Addresses, Backbone, Place};

/// Makes the router and the host's way to it.
///
/// # Errors
/// A step fails.
pub async fn make_backbone(place: &Place, ledger: &parking_lot::Mutex<Ledger>) -> Result<()> {
    let backbone: Backbone = place.backbone();
    let (netns, host) = (backbone.netns(), backbone.host_link());
    ledger.lock().note(Made::Link { name: host.clone() })?;
    ledger.lock().note(Made::Netns { name: netns.clone() })?;
    ip(&format!("netns add {netns}")).await?;
    ip(&format!("link add {host} type veth peer name host netns {netns}")).await?;
    ip(&format!("addr add {}/24 dev {host}", backbone.host())).await?;
    ip(&format!("link set {host} up")).await?;
    ip(&format!("-n {netns} addr add {}/24 dev host", backbone.router())).await?;
    ip(&format!("-n {netns} link set host up")).await?;
    ip(&format!("-n {netns} link set lo up")).await?;
    forward_packets(&netns).await?;
    ip(&format!("route replace {} via {}", backbone.network(), backbone.router())).await?;
    ip(&format!("route replace {} via {}", backbone.pods(), backbone.router())).await?;
    Ok(())
}

/// Makes the network of a cluster. The namespace of an earlier cluster in the slot must be gone.
///
/// # Errors
/// A step fails.
pub async fn make(place: &Place, slot: u8, ledger: &parking_lot::Mutex<Ledger>) -> Result<()> {
    let (router, addresses): (String, Addresses) = (place.backbone().netns(), place.addresses(slot));
    let (netns, link, node) = (addresses.netns(), addresses.link(), addresses.node());
    ledger.lock().note(Made::Netns { name: netns.clone() })?;
    ip(&format!("netns add {netns}")).await?;
    ip(&format!("-n {router} link add {link} type veth peer name eth0 netns {netns}")).await?;
    ip(&format!("-n {router} addr add {}/24 dev {link}", addresses.router())).await?;
    ip(&format!("-n {router} link set {link} up")).await?;
    ip(&format!("-n {netns} addr add {node}/24 dev eth0")).await?;
    ip(&format!("-n {netns} link set eth0 up")).await?;
    ip(&format!("-n {netns} link set lo up")).await?;
    ip(&format!("-n {netns} route add default via {}", addresses.router())).await?;
    ip(&format!("-n {router} route replace {} via {node}", addresses.pod_cidr())).await?;
    ip(&format!("-n {router} route replace {} via {node}", addresses.balancers())).await?;
    forward_packets(&netns).await
}

/// Ends the network of a cluster; the router's leg goes with it.
///
/// # Errors
/// A step fails.
pub async fn remove(place: &Place, slot: u8) -> Result<()> {
    let netns = place.addresses(slot).netns();
    if std::path::Path::new("/run/netns").join(&netns).exists() {
        // the other end first: a namespace that a dying process still holds would keep it
        let _ = ip(&format!("-n {} link del {}", place.backbone().netns(), place.addresses(slot).link())).await;
        ip(&format!("netns del {netns}")).await?;
    }
    Ok(())
}

async fn forward_packets(netns: &str) -> Result<()> {
    let here = format!("--net=/run/netns/{netns}");
    run("nsenter", [here.as_str(), "sysctl", "--quiet", "--write", "net.ipv4.ip_forward=1"]).await.map(drop)
}
