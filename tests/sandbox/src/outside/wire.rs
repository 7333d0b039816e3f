//! What the world and a process outside of it say to each other: lines of JSON over TCP.
//!
//! A connection begins with [`Said::Register`] (the process's own channel, open as long as it lives) or with [`Said::Relay`]
//! (from then on the bytes of somebody who connected to one of its ports).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Which process it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A broker.
    Broker,
    /// A gateway.
    Gateway,
}

/// Who a process is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Registration {
    /// Broker or gateway.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: String,
    /// Its pod.
    pub pod: String,
    /// What lies on its volume as `.c8-disk`; empty for a gateway.
    pub disk: String,
    /// Whether a broker wrote to that volume before.
    pub initialised: bool,
    /// Its environment: the variables of the real image.
    pub env: BTreeMap<String, String>,
    /// The version that it plays, e.g. `8.7.2`.
    pub version: String,
}

/// What a process says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// It has started.
    Register(Box<Registration>),
    /// Whom it reaches right now, by key: over connections that answered a moment ago. Also its sign of life.
    Reaches(BTreeSet<String>),
    /// A flush ended.
    Flushed {
        /// Which.
        ticket: u64,
        /// Why the store did not take it; `None` = it did.
        error: Option<String>,
    },
    /// Somebody connected to a port of the process: all that follows are his bytes.
    Relay {
        /// The process.
        key: String,
        /// The port, as the real image numbers them.
        port: u16,
    },
}

/// What the world says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// It is known now, by this key.
    Registered {
        /// The key of the session.
        key: String,
    },
    /// It must not run.
    Refused {
        /// Why.
        why: String,
    },
    /// Its disk has a configuration: what `.topology.meta` shall say.
    Initialised {
        /// JSON.
        content: String,
    },
    /// Documents for a store.
    Export {
        /// To be named in the answer.
        ticket: u64,
        /// As configured.
        url: String,
        /// The body of a `_bulk` request.
        body: String,
    },
    /// A sign of life.
    Alive,
}

/// How often each side gives a sign of life.
pub const BEAT: Duration = Duration::from_millis(500);

/// After which silence the other side is taken for dead.
pub const SILENCE: Duration = Duration::from_secs(8);

/// The longest line: a bulk request of many documents.
const LONGEST: usize = 64 << 20;

/// Writes one line.
pub async fn write<T: Serialize>(stream: &mut (impl AsyncWrite + Unpin), message: &T) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    stream.write_all(&line).await
}

/// Reads one line. Not one byte more, so that the stream can be handed on; wrap it in a `BufReader` if it stays.
pub async fn read<T: DeserializeOwned>(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<T> {
    let mut line = Vec::new();
    loop {
        match stream.read_u8().await? {
            b'\n' => return Ok(serde_json::from_slice(&line)?),
            byte if line.len() < LONGEST => line.push(byte),
            _ => return Err(std::io::Error::other("a line without an end")),
        }
    }
}

/// Reads lines until the end of the stream, for those who `select!` over it: a read that is dropped loses nothing.
pub fn lines<T: DeserializeOwned + Send + 'static>(
    stream: impl AsyncRead + Unpin + Send + 'static,
) -> tokio::sync::mpsc::Receiver<T> {
    let (sender, receiver) = tokio::sync::mpsc::channel(64);
    tokio::spawn(async move {
        let mut stream = tokio::io::BufReader::new(stream);
        while let Ok(message) = read(&mut stream).await {
            if sender.send(message).await.is_err() {
                return;
            }
        }
    });
    receiver
}
