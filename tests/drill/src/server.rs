//! The drill as a process of its own, and how other commands talk to it.

use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use c8_sandbox::Power;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::drill::{self, Drill};
use crate::ledger::{Ledger, Made};
use crate::place::Place;

/// How long the cloud may take to answer. Regions are waited for afterwards.
const START: Duration = Duration::from_secs(60);

/// Where a running drill answers; written when it does.
#[derive(Debug, Serialize, Deserialize)]
struct Address {
    url: String,
}

fn address_file(place: &Place) -> std::path::PathBuf {
    place.run().join("server.json")
}

/// Serves a drill until the process is ended.
///
/// # Errors
/// It does not start.
pub async fn serve(place: &Place) -> Result<()> {
    let drill = Arc::new(Drill::up(place).await?);
    let routes = Router::new()
        .route("/", get(describe))
        .route("/pods", get(describe_with_pods))
        .route("/clusters", post(create))
        .route("/clusters/{name}/power", post(power))
        .route("/latency", post(latency))
        .route("/denials", delete(remove_denials))
        .with_state(drill);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = Address { url: format!("http://{}", listener.local_addr()?) };
    let fresh = address_file(place).with_extension("new");
    let file = std::fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&fresh)?;
    serde_json::to_writer(file, &address)?;
    std::fs::rename(fresh, address_file(place))?;
    Ok(axum::serve(listener, routes).await?)
}

type Answer = (StatusCode, Json<Value>);

fn answer(done: Result<()>) -> Answer {
    match done {
        Ok(()) => (StatusCode::OK, Json(json!({}))),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"message": format!("{error:#}")}))),
    }
}

async fn describe(State(drill): State<Arc<Drill>>) -> Json<Value> {
    Json(drill.describe())
}

async fn describe_with_pods(State(drill): State<Arc<Drill>>) -> Json<Value> {
    Json(drill.describe_with_pods().await)
}

#[derive(Deserialize)]
struct NewCluster {
    location: String,
    name: String,
}

async fn create(State(drill): State<Arc<Drill>>, Json(wanted): Json<NewCluster>) -> Answer {
    // a task of its own: a caller who leaves does not leave half a cluster
    let made = tokio::spawn(async move { drill.create_cluster(&wanted.location, &wanted.name).await });
    answer(made.await.unwrap_or_else(|error| Err(error.into())))
}

/// What a region is to be.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wanted {
    /// Every process killed.
    Crashed,
    /// Crashed, and packets to it are swallowed.
    Silent,
    /// It runs, and no packet passes between it and the others.
    CutOff,
    /// It runs, with the data it had.
    Up,
    /// It runs, and brokers and stores find empty disks.
    UpEmpty,
}

async fn power(State(drill): State<Arc<Drill>>, Path(name): Path<String>, Json(wanted): Json<Wanted>) -> Answer {
    let (power, empty) = match wanted {
        Wanted::Crashed => (Power::Lost { hang: false }, false),
        Wanted::Silent => (Power::Lost { hang: true }, false),
        Wanted::CutOff => (Power::Isolated, false),
        Wanted::Up => (Power::Up, false),
        Wanted::UpEmpty => (Power::Up, true),
    };
    let done = tokio::spawn(async move { drill.set_power(&name, power, empty).await });
    answer(done.await.unwrap_or_else(|error| Err(error.into())))
}

/// How far the regions are from each other.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Distance {
    /// Round trip.
    milliseconds: u64,
}

async fn latency(State(drill): State<Arc<Drill>>, Json(wanted): Json<Distance>) -> Answer {
    answer(drill.set_latency(Duration::from_millis(wanted.milliseconds)).await)
}

/// Rules that deny are taken away behind everybody's back.
async fn remove_denials(State(drill): State<Arc<Drill>>) -> Json<Value> {
    Json(json!({"removed": drill.remove_denials()}))
}

/// Starts a drill in the background and waits until its cloud answers.
///
/// # Errors
/// One runs already, or it does not start.
pub async fn launch(place: &Place) -> Result<Client> {
    if Client::find(place).await.is_ok() {
        bail!("drill {} is up: `cargo drill down` ends it", place.number());
    }
    std::fs::create_dir_all(place.shared())?;
    Ledger::open(&place.ledger())?.note(Made::Processes { mark: place.mark() })?;
    let log = place.shared().join(format!("drill{}.log", place.number()));
    let file = std::fs::OpenOptions::new().create(true).truncate(true).write(true).open(&log)?;
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.args(["--number", &place.number().to_string(), "serve"]);
    drill::mark(&mut command, place);
    use std::os::unix::process::CommandExt as _;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        // it outlives this command and its terminal
        .process_group(0)
        .spawn()
        .context("the drill does not start")?;
    let until = Instant::now() + START;
    loop {
        if let Ok(client) = Client::find(place).await {
            return Ok(client);
        }
        if let Some(status) = child.try_wait()? {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            bail!("the drill ended ({status}): {}", said.trim());
        }
        if Instant::now() > until {
            bail!("the drill does not answer; its log is {}", log.display());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A drill that runs in another process.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
}

impl Client {
    /// The drill at a place.
    ///
    /// # Errors
    /// None runs.
    pub async fn find(place: &Place) -> Result<Self> {
        let none = || format!("no drill {} is up: `cargo drill up` starts it", place.number());
        let text = std::fs::read(address_file(place)).with_context(none)?;
        let Address { url } = serde_json::from_slice(&text).with_context(none)?;
        let this = Self { http: reqwest::Client::new(), url };
        this.describe().await.with_context(none)?;
        Ok(this)
    }

    /// What runs.
    ///
    /// # Errors
    /// The drill does not answer.
    pub async fn describe(&self) -> Result<Value> {
        Ok(self.http.get(&self.url).timeout(Duration::from_secs(5)).send().await?.json().await?)
    }

    /// What runs, with the pods of every cluster that answers.
    ///
    /// # Errors
    /// The drill does not answer.
    pub async fn describe_with_pods(&self) -> Result<Value> {
        let url = format!("{}/pods", self.url);
        Ok(self.http.get(url).timeout(Duration::from_secs(15)).send().await?.json().await?)
    }

    /// Makes a cluster and waits for it.
    ///
    /// # Errors
    /// It can't be made.
    pub async fn create(&self, location: &str, name: &str) -> Result<()> {
        self.post("/clusters", &json!({"location": location, "name": name})).await.map(drop)
    }

    /// Loses a region or brings it back.
    ///
    /// # Errors
    /// There is no such region, or it does not end or start.
    pub async fn power(&self, region: &str, wanted: Wanted) -> Result<()> {
        self.post(&format!("/clusters/{region}/power"), &json!(wanted)).await.map(drop)
    }

    /// Sets the round trip between the regions; 0 is none.
    ///
    /// # Errors
    /// The device that delays can't be made.
    pub async fn latency(&self, milliseconds: u64) -> Result<()> {
        self.post("/latency", &json!(Distance { milliseconds })).await.map(drop)
    }

    /// Removes all firewall rules that deny, as nobody should; how many.
    ///
    /// # Errors
    /// The drill does not answer.
    pub async fn remove_denials(&self) -> Result<u64> {
        let answer = Self::read(self.http.delete(format!("{}/denials", self.url)).send().await?).await?;
        Ok(answer["removed"].as_u64().unwrap_or_default())
    }

    /// A call to the control API of the world.
    ///
    /// # Errors
    /// It says no.
    pub async fn control(&self, path: &str, body: Option<&Value>) -> Result<Value> {
        let described = self.describe().await?;
        let url = format!("{}{path}", described["control"].as_str().unwrap_or_default());
        let request = match body {
            Some(body) => self.http.post(url).json(body),
            None => self.http.get(url),
        };
        Self::read(request.send().await?).await
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        Self::read(self.http.post(format!("{}{path}", self.url)).json(body).send().await?).await
    }

    async fn read(answer: reqwest::Response) -> Result<Value> {
        let status = answer.status();
        let body: Value = answer.json().await?;
        if !status.is_success() {
            bail!("{}", body["message"].as_str().unwrap_or("it says no"));
        }
        Ok(body)
    }
}
