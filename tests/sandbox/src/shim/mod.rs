//! A broker or gateway as a real process: the body of `c8-sandbox-broker`.
//!
//! What it *is* (volume, environment, ports, connections, HTTP to a store) is real; what it *thinks* happens in a sandbox's world, to which it
//! keeps a channel (see [`crate::outside`]). It ends when that channel breaks: the world would take it for dead anyway.

mod disk;
pub mod environment;
mod peers;
mod ports;
mod stores;

use std::collections::BTreeSet;
use std::io::{Error, Result};
use std::sync::Arc;

pub use environment::Environment;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::outside::wire::{self, BEAT, Kind, Order, Registration, SILENCE, Said};

/// Runs until the world is gone or says no.
///
/// # Errors
/// Always, in the end: why it can't go on.
pub async fn run(environment: Environment) -> Result<()> {
    let disk = match environment.kind {
        Kind::Broker => Some(disk::Disk::open(&environment.data)?),
        Kind::Gateway => None,
    };
    let mut world = tokio::time::timeout(SILENCE, TcpStream::connect(&environment.world)).await??;
    world.set_nodelay(true)?;
    let registration = Registration {
        kind: environment.kind,
        namespace: environment.namespace.clone(),
        pod: environment.pod.clone(),
        disk: disk.as_ref().map(|disk| disk.id.clone()).unwrap_or_default(),
        initialised: disk.as_ref().is_some_and(disk::Disk::is_initialised),
        env: environment.variables.clone(),
        version: environment.version.clone(),
    };
    wire::write(&mut world, &Said::Register(Box::new(registration))).await?;
    let key = match tokio::time::timeout(SILENCE, wire::read(&mut world)).await?? {
        Order::Registered { key } => key,
        Order::Refused { why } => return Err(Error::other(why)),
        other => return Err(Error::other(format!("the world answers with {other:?}"))),
    };
    tracing::info!(%key, pod = %environment.pod, "started");

    // everything below ends with this set
    let mut tasks = tokio::task::JoinSet::new();
    let peers = Arc::new(peers::Peers::new(&environment, &key));
    peers.start(&environment, &mut tasks).await?;
    ports::start(&environment, &key, &mut tasks).await?;

    let (read, mut write) = world.into_split();
    let mut orders = wire::lines::<Order>(read);
    let (landed, mut flushes) = mpsc::unbounded_channel();
    let templates = Arc::new(stores::Templates::default());
    let mut beat = tokio::time::interval(BEAT);
    let mut reported: Option<BTreeSet<String>> = None;
    loop {
        tokio::select! {
            order = tokio::time::timeout(SILENCE, orders.recv()) => match order {
                Err(_) => return Err(Error::other("the world is silent")),
                Ok(None) => return Err(Error::other("the world has closed the channel")),
                Ok(Some(Order::Initialised { content })) => {
                    if let Some(disk) = &disk {
                        disk.initialise(&content)?;
                    }
                }
                Ok(Some(Order::Export { ticket, url, body })) => {
                    let (landed, templates) = (landed.clone(), templates.clone());
                    tasks.spawn(async move {
                        let error = stores::write(&templates, &url, body).await.err();
                        let _ = landed.send(Said::Flushed { ticket, error });
                    });
                }
                Ok(Some(Order::Alive)) => {}
                Ok(Some(other)) => return Err(Error::other(format!("the world says {other:?}"))),
            },
            Some(message) = flushes.recv() => wire::write(&mut write, &message).await?,
            () = peers.changed() => report(&mut write, &peers, &mut reported).await?,
            _ = beat.tick() => {
                reported = None;
                report(&mut write, &peers, &mut reported).await?;
                // what ended is not kept
                while tasks.try_join_next().is_some() {}
            }
        }
    }
}

async fn report(
    write: &mut (impl tokio::io::AsyncWrite + Unpin),
    peers: &peers::Peers,
    reported: &mut Option<BTreeSet<String>>,
) -> Result<()> {
    let reaches = peers.reached();
    if reported.as_ref() != Some(&reaches) {
        wire::write(write, &Said::Reaches(reaches.clone())).await?;
        *reported = Some(reaches);
    }
    Ok(())
}
