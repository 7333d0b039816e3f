//! Connections to other members, by the names that were configured. Each is kept open and asked again and again: it counts only while it answers,
//! so packets that a firewall drops without a word are noticed, on connections that stood before too.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Error, Result};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Environment;
use crate::outside::wire;

/// How often a connection is asked.
const ASK: Duration = Duration::from_millis(250);

/// After which silence it counts for nothing.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Between two attempts to connect.
const REDIAL: Duration = Duration::from_millis(250);

/// How long an address that was only learned is dialled in vain.
const LEARNED: Duration = Duration::from_secs(60);

/// The first line of a connection.
#[derive(Debug, Serialize, Deserialize)]
struct Hello {
    key: String,
    /// Where whoever dials is found himself: who is called calls back, as in gossip.
    address: String,
}

/// Whom this process reaches.
pub(super) struct Peers {
    hello: Hello,
    reached: Mutex<BTreeMap<String, String>>,
    dialled: Mutex<BTreeSet<String>>,
    changed: Notify,
}

impl Peers {
    pub(super) fn new(environment: &Environment, key: &str) -> Self {
        Self {
            hello: Hello { key: key.to_owned(), address: environment.advertised.clone() },
            reached: Mutex::default(),
            dialled: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Keys of those who answered a moment ago.
    pub(super) fn reached(&self) -> BTreeSet<String> {
        self.reached.lock().values().cloned().collect()
    }

    /// Somebody came or went.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Listens, and dials all contact points.
    pub(super) async fn start(self: &Arc<Self>, environment: &Environment, tasks: &mut JoinSet<()>) -> Result<()> {
        let listener = TcpListener::bind((environment.listen.as_str(), environment.internal)).await?;
        let (learn, mut learned) = mpsc::unbounded_channel::<String>();
        let peers = self.clone();
        tasks.spawn(async move {
            // ends with the process: a dropped set aborts what is in it
            let mut calls = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (peers, learn) = (peers.clone(), learn.clone());
                calls.spawn(async move { peers.answer(stream, &learn).await });
                while calls.try_join_next().is_some() {}
            }
        });
        let peers = self.clone();
        let points = environment.contact_points.clone();
        tasks.spawn(async move {
            let mut dials = JoinSet::new();
            for point in points {
                if peers.dialled.lock().insert(point.clone()) {
                    dials.spawn(peers.clone().keep(point, None));
                }
            }
            while let Some(address) = learned.recv().await {
                if peers.dialled.lock().insert(address.clone()) {
                    dials.spawn(peers.clone().keep(address, Some(LEARNED)));
                }
                while dials.try_join_next().is_some() {}
            }
        });
        Ok(())
    }

    /// Answers somebody who called, as long as he asks.
    async fn answer(&self, mut stream: TcpStream, learn: &mpsc::UnboundedSender<String>) -> Result<()> {
        stream.set_nodelay(true)?;
        let hello: Hello = tokio::time::timeout(PATIENCE, wire::read(&mut stream)).await??;
        wire::write(&mut stream, &self.hello).await?;
        let _ = learn.send(hello.address);
        let mut buffer = [0_u8; 64];
        loop {
            match tokio::time::timeout(PATIENCE * 4, stream.read(&mut buffer)).await?? {
                0 => return Ok(()),
                count => stream.write_all(&buffer[..count]).await?,
            }
        }
    }

    /// Keeps a connection to an address; gives up after `patience` in vain.
    async fn keep(self: Arc<Self>, address: String, patience: Option<Duration>) {
        let mut last = Instant::now();
        loop {
            let outcome = self.call(&address).await;
            if self.reached.lock().remove(&address).is_some() {
                last = Instant::now();
                self.changed.notify_one();
                tracing::info!(%address, "lost: {}", outcome.as_ref().err().map_or_else(String::new, Error::to_string));
            }
            let itself = outcome.is_ok();
            if itself || patience.is_some_and(|patience| last.elapsed() > patience) {
                self.dialled.lock().remove(&address);
                if itself {
                    // that was this very process: nothing to keep
                    self.dialled.lock().insert(address);
                }
                return;
            }
            tokio::time::sleep(REDIAL).await;
        }
    }

    /// One connection from its beginning to its end. `Ok` = it leads to this very process.
    async fn call(&self, address: &str) -> Result<()> {
        let mut stream = tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        wire::write(&mut stream, &self.hello).await?;
        let other: Hello = tokio::time::timeout(PATIENCE, wire::read(&mut stream)).await??;
        if other.key == self.hello.key {
            return Ok(());
        }
        self.reached.lock().insert(address.to_owned(), other.key);
        self.changed.notify_one();
        let (mut read, mut write) = stream.split();
        let mut ask = tokio::time::interval(ASK);
        ask.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut buffer = [0_u8; 64];
        let mut answered = Instant::now();
        loop {
            tokio::select! {
                _ = ask.tick() => {
                    if answered.elapsed() > PATIENCE {
                        return Err(Error::other("no answer on a connection that stands"));
                    }
                    write.write_all(b".").await?;
                }
                count = read.read(&mut buffer) => {
                    if count? == 0 {
                        return Err(Error::other("closed by the other side"));
                    }
                    answered = Instant::now();
                }
            }
        }
    }
}
