//! Where processes outside report to: one port for channels and relays.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::wire::{self, BEAT, Kind, Order, Registration, Said};
use crate::Shared;
use crate::world::dial;
use crate::world::kubelet::Role;

/// Serves processes outside until the listener breaks.
pub async fn serve(shared: Shared, listener: TcpListener) -> std::io::Result<()> {
    loop {
        let (stream, from) = listener.accept().await?;
        let shared = shared.clone();
        tokio::spawn(async move {
            if let Err(error) = meet(shared, stream, from).await {
                tracing::debug!(%error, %from, "a process outside went away");
            }
        });
    }
}

async fn meet(shared: Shared, mut stream: TcpStream, from: SocketAddr) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let first = tokio::time::timeout(wire::SILENCE, wire::read(&mut stream)).await??;
    match first {
        Said::Register(who) => attend(shared, stream, from, *who).await,
        Said::Relay { key, port } => relay(shared, stream, key, port).await,
        Said::Reaches(_) | Said::Flushed { .. } => Err(std::io::Error::other("it did not say who it is")),
    }
}

/// Ends the session with the connection, however that ends.
struct Attended {
    shared: Shared,
    key: String,
}

impl Drop for Attended {
    fn drop(&mut self) {
        self.shared.lock().leave(&self.key);
    }
}

async fn attend(shared: Shared, mut stream: TcpStream, from: SocketAddr, who: Registration) -> std::io::Result<()> {
    let (sender, mut orders) = mpsc::unbounded_channel();
    let ip = match from.ip() {
        IpAddr::V4(ip) => ip,
        IpAddr::V6(ip) => ip.to_ipv4_mapped().unwrap_or(Ipv4Addr::UNSPECIFIED),
    };
    let pod = format!("{}/{}", who.namespace, who.pod);
    let entered = shared.lock().enter(who, ip, sender, Instant::now());
    let key = match entered {
        Ok(key) => key,
        Err(why) => {
            tracing::warn!(%pod, %why, "a process outside may not run");
            return wire::write(&mut stream, &Order::Refused { why }).await;
        }
    };
    let attended = Attended { shared: shared.clone(), key: key.clone() };
    wire::write(&mut stream, &Order::Registered { key: key.clone() }).await?;
    let (read, mut write) = stream.into_split();
    let mut said = wire::lines::<Said>(read);
    let mut beat = tokio::time::interval(BEAT);
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(order) => wire::write(&mut write, &order).await?,
                // the world let it go
                None => return Ok(()),
            },
            message = said.recv() => match message {
                Some(Said::Reaches(reaches)) => {
                    if !shared.lock().hear(&key, reaches, Instant::now()) {
                        return Ok(());
                    }
                }
                Some(Said::Flushed { ticket, error }) => shared.lock().outside.landed(&key, ticket, error),
                Some(Said::Register(_) | Said::Relay { .. }) => {}
                None => break,
            },
            _ = beat.tick() => wire::write(&mut write, &Order::Alive).await?,
        }
    }
    drop(attended);
    Ok(())
}

/// Somebody talks to a port of a process: the world answers in its place.
async fn relay(shared: Shared, stream: TcpStream, key: String, port: u16) -> std::io::Result<()> {
    let (role, place) = {
        let world = shared.lock();
        let Some(session) = world.outside.sessions.get(&key) else { return Ok(()) };
        let role = match session.kind {
            Kind::Broker => Role::Broker,
            Kind::Gateway => Role::Gateway,
        };
        (role, format!("outside/{}/{}:{port}", session.namespace, session.pod))
    };
    let Some(router) = dial::router(&shared, &key, &role, port) else { return Ok(()) };
    dial::serve(shared, stream, router, place, move |world| world.outside.holds(&key)).await;
    Ok(())
}
