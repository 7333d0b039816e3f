//! Latency between the regions: packets that go from one to another pass a device that keeps them for a while.
//!
//! Not every kernel has `sch_netem`, so the device is a TUN in the router, and a process of the drill is its other end. What enters the router from a
//! region and is meant for another one is judged by the firewall and routed into it; what comes out of it goes its normal way.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tokio::process::{Child, Command};

use crate::command::{ip, run};
use crate::drill;
use crate::place::{Place, SLOTS};

/// The device in the router.
pub const DEVICE: &str = "delay";
/// Routing table of what has to wait first.
const TABLE: &str = "100";
/// How long the device may take to appear.
const START: Duration = Duration::from_secs(10);
/// Longest packet: that of the links.
const MTU: u16 = 1500;

/// The process that delays; it ends with this.
#[derive(Debug)]
pub struct Latency {
    _delayer: Child,
}

impl Latency {
    /// From now on a round trip between any two regions takes this long.
    ///
    /// # Errors
    /// The device can't be made.
    pub async fn start(place: &Place, round_trip: Duration) -> Result<Self> {
        let netns = place.backbone().netns();
        let mut command = std::process::Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{netns}")).arg(std::env::current_exe()?);
        command.args(["delay", &(round_trip / 2).as_micros().to_string()]);
        drill::mark(&mut command, place);
        let mut delayer = Command::from(command).kill_on_drop(true).spawn().context("the delayer does not start")?;
        let until = Instant::now() + START;
        while !ip(&format!("-n {netns} link show {DEVICE} up")).await.is_ok_and(|shown| shown.contains(DEVICE)) {
            if let Some(status) = delayer.try_wait()? {
                bail!("the delayer ended: {status}");
            }
            if Instant::now() > until {
                bail!("the device of the delayer does not appear");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // a packet that comes back from the device has the address of a region, whose link is another one
        let here = format!("--net=/run/netns/{netns}");
        for filter in ["all", DEVICE] {
            let setting = format!("net.ipv4.conf.{filter}.rp_filter=0");
            run("nsenter", [here.as_str(), "sysctl", "--quiet", "--write", &setting]).await?;
        }
        ip(&format!("-n {netns} route replace default dev {DEVICE} table {TABLE}")).await?;
        forget(&netns).await?;
        for (from, to) in ways(place) {
            ip(&format!("-n {netns} rule add iif {from} to {to} lookup {TABLE}")).await?;
        }
        Ok(Self { _delayer: delayer })
    }

    /// Packets go at once again.
    ///
    /// # Errors
    /// The router's rules can't be changed.
    pub async fn stop(self, place: &Place) -> Result<()> {
        // rules first: what is routed to a device that is gone is lost
        forget(&place.backbone().netns()).await
    }
}

async fn forget(netns: &str) -> Result<()> {
    while ip(&format!("-n {netns} rule list table {TABLE}")).await?.contains(TABLE) {
        ip(&format!("-n {netns} rule del table {TABLE}")).await?;
    }
    Ok(())
}

/// From a region's link to a range of another region.
fn ways(place: &Place) -> Vec<(String, String)> {
    let mut ways = Vec::new();
    for from in 0..SLOTS {
        for to in (0..SLOTS).filter(|to| *to != from) {
            let (link, to) = (place.addresses(from).link(), place.addresses(to));
            ways.push((link.clone(), to.node_cidr()));
            ways.push((link, to.pod_cidr()));
        }
    }
    ways
}

/// The other end of the device, in the router's namespace: keeps each packet for `delay` and gives it back. Does not return.
///
/// # Errors
/// The device can't be made, or it vanishes.
pub fn serve(delay: Duration) -> Result<()> {
    let device = tun_rs::DeviceBuilder::new().name(DEVICE).mtu(MTU).build_sync()?;
    device.enabled(true)?;
    let (waiting, due) = mpsc::channel::<(Instant, Vec<u8>)>();
    std::thread::scope(|threads| {
        let back = threads.spawn(|| -> Result<()> {
            for (at, packet) in due {
                std::thread::sleep(at.saturating_duration_since(Instant::now()));
                // a packet that the router refuses is lost, as on any network
                let _ = device.send(&packet);
            }
            Ok(())
        });
        let mut buffer = vec![0; usize::from(u16::MAX)];
        loop {
            let length = device.recv(&mut buffer)?;
            let packet = buffer.get(..length).unwrap_or_default().to_vec();
            if waiting.send((Instant::now() + delay, packet)).is_err() {
                return back.join().unwrap_or_else(|_| bail!("the delayer panicked"));
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_region_waits_on_the_way_to_every_other_and_never_to_itself() {
        let place = Place::at("/tmp/drill".into(), 1).unwrap();
        let ways = ways(&place);
        assert_eq!(ways.len(), 2 * 4 * 3);
        assert!(ways.contains(&("r0".into(), place.addresses(1).pod_cidr())));
        for slot in 0..SLOTS {
            let own = place.addresses(slot);
            assert!(
                !ways.iter().any(|(link, to)| *link == own.link() && (*to == own.pod_cidr() || *to == own.node_cidr()))
            );
        }
    }
}
