//! The ports of the real image. What is said on them goes to the world and comes from there, byte by byte.

use std::io::Result;

use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::Environment;
use crate::outside::wire::{self, Said};

/// Opens all ports.
pub(super) async fn start(environment: &Environment, key: &str, tasks: &mut JoinSet<()>) -> Result<()> {
    for &(number, place) in &environment.served {
        let listener = TcpListener::bind((environment.listen.as_str(), place)).await?;
        let (world, key) = (environment.world.clone(), key.to_owned());
        tasks.spawn(async move {
            let mut relays = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (world, key) = (world.clone(), key.clone());
                relays.spawn(async move {
                    if let Err(error) = relay(stream, &world, key, number).await {
                        tracing::debug!(%error, port = number, "a connection broke");
                    }
                });
                while relays.try_join_next().is_some() {}
            }
        });
    }
    if let Some(port) = environment.command {
        let listener = TcpListener::bind((environment.listen.as_str(), port)).await?;
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                open.spawn(async move {
                    let mut nothing = [0_u8; 64];
                    while stream.read(&mut nothing).await.is_ok_and(|count| count > 0) {}
                });
                while open.try_join_next().is_some() {}
            }
        });
    }
    Ok(())
}

async fn relay(mut near: TcpStream, world: &str, key: String, port: u16) -> Result<()> {
    let mut far = TcpStream::connect(world).await?;
    far.set_nodelay(true)?;
    near.set_nodelay(true)?;
    wire::write(&mut far, &Said::Relay { key, port }).await?;
    tokio::io::copy_bidirectional(&mut near, &mut far).await?;
    Ok(())
}
