//! Stands between Terraform and a provider, and keeps what was planned.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tempfile::TempDir;
use terraform_plugin::proto::tfplugin5::{DynamicValue, plan_resource_change};
use tokio::{net::UnixListener, task::JoinHandle};

use crate::{
    Error, io,
    process::Attached,
    wire::{self, Body, Connection},
};

pub(crate) const CONFIGURE: &str = "/tfplugin5.Provider/Configure";
pub(crate) const PLAN: &str = "/tfplugin5.Provider/PlanResourceChange";

/// What a plan is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// There is nothing yet.
    Create,
    /// There is something, and it may change or stay.
    Update,
    /// It goes.
    Delete,
}

/// One plan as Terraform asked for it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Type of the resource.
    pub resource: String,
    /// What was asked for.
    pub action: Action,
    /// Whether the answer says that the resource has to be replaced.
    pub replaces: bool,
    pub(crate) configure: Bytes,
    pub(crate) request: Bytes,
    pub(crate) response: Bytes,
}

/// The configuration of the provider, what was asked, and the answer as it arrives.
type Asked = (Bytes, Bytes, Arc<Mutex<Vec<u8>>>);

/// What passed by: the newest configuration, and each plan with the configuration that it was made under.
#[derive(Default)]
struct Tape {
    configure: Bytes,
    plans: Vec<Asked>,
}

/// A provider with somebody at the wire.
pub struct Recorder {
    tape: Arc<Mutex<Tape>>,
    provider: Attached,
    socket: PathBuf,
    accepting: JoinHandle<()>,
    _folder: TempDir,
}

impl Recorder {
    /// Starts the provider and listens.
    ///
    /// # Errors
    /// It does not start, or there is no place for a socket.
    pub async fn start(binary: &Path, environment: &[(&str, &str)]) -> Result<Self, Error> {
        let provider = Attached::start(binary, environment).await?;
        // a directory that only this user can enter
        let folder = tempfile::Builder::new().prefix("plans-").tempdir().map_err(io("making a folder"))?;
        let socket = folder.path().join("socket");
        let listener = UnixListener::bind(&socket).map_err(io("listening"))?;
        let tape = Arc::new(Mutex::new(Tape::default()));
        let accepting = tokio::spawn(accept(listener, provider.socket().to_owned(), Arc::clone(&tape)));
        Ok(Self { tape, provider, socket, accepting, _folder: folder })
    }

    /// Where it listens, for a test that plays Terraform.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Name and value of the environment variable by which Terraform finds it.
    #[must_use]
    pub fn environment(&self) -> (&'static str, String) {
        ("TF_REATTACH_PROVIDERS", self.provider.reattach_by(&self.socket))
    }

    /// The plans since the last time.
    ///
    /// # Errors
    /// A message can't be read.
    pub fn take(&self) -> Result<Vec<Plan>, Error> {
        let plans = std::mem::take(&mut self.tape.lock().unwrap_or_else(PoisonError::into_inner).plans);
        plans
            .into_iter()
            .map(|(configure, request, response)| {
                let asked: plan_resource_change::Request = wire::decode(PLAN, &request)?;
                let response = Bytes::from(response.lock().unwrap_or_else(PoisonError::into_inner).clone());
                let answered: plan_resource_change::Response = wire::decode(PLAN, &response)?;
                let action = match (is_null(asked.prior_state.as_ref()), is_null(asked.proposed_new_state.as_ref())) {
                    (true, _) => Action::Create,
                    (false, true) => Action::Delete,
                    (false, false) => Action::Update,
                };
                let replaces = !answered.requires_replace.is_empty();
                Ok(Plan { resource: asked.type_name, action, replaces, configure, request, response })
            })
            .collect()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Null in msgpack, which Terraform always uses here.
fn is_null(value: Option<&DynamicValue>) -> bool {
    value.is_none_or(|value| value.msgpack == [0xc0])
}

async fn accept(listener: UnixListener, provider: PathBuf, tape: Arc<Mutex<Tape>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (provider, tape) = (provider.clone(), Arc::clone(&tape));
        tokio::spawn(async move {
            // without a connection the peer finds a closed one: it says so better than anybody here
            let Ok(connection) = Connection::open(&provider).await else { return };
            let service = service_fn(move |request| pass(connection.clone(), request, Arc::clone(&tape)));
            let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// Passes a call on as it is; only what is kept is read as a whole.
async fn pass(
    mut provider: Connection,
    request: Request<Incoming>,
    tape: Arc<Mutex<Tape>>,
) -> Result<Response<Body>, Error> {
    let (mut head, body) = request.into_parts();
    let call = head.uri.path().to_owned();
    head.uri = wire::uri(&call);
    if call != CONFIGURE && call != PLAN {
        let answer = provider.send(Request::from_parts(head, body.boxed_unsync())).await?;
        return Ok(answer.map(BodyExt::boxed_unsync));
    }
    let asked = body.collect().await?.to_bytes();
    let whole = Full::new(asked.clone()).map_err(|never| match never {}).boxed_unsync();
    let answered = Arc::new(Mutex::new(Vec::new()));
    {
        let mut tape = tape.lock().unwrap_or_else(PoisonError::into_inner);
        if call == CONFIGURE {
            tape.configure = asked;
        } else {
            let configure = tape.configure.clone();
            tape.plans.push((configure, asked, Arc::clone(&answered)));
        }
    }
    let answer = provider.send(Request::from_parts(head, whole)).await?;
    let keep = move |frame: hyper::body::Frame<Bytes>| {
        if let Some(data) = frame.data_ref() {
            answered.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(data);
        }
        frame
    };
    Ok(answer.map(|body| body.map_frame(keep).boxed_unsync()))
}
