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

/// What the paths of the provider's own calls begin with; there are others of the plugin's process, whose streams never end.
const SERVICE: &str = "/tfplugin5.Provider/";
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

/// One call as it passed by.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its name, such as `PlanResourceChange`.
    pub name: String,
    /// The message as Terraform sent it.
    pub request: Bytes,
    /// The message that came back; empty if it was none.
    pub response: Bytes,
}

/// What was asked, and the answer as it arrives.
struct Asked {
    path: String,
    request: Bytes,
    response: Arc<Mutex<Vec<u8>>>,
}

impl Asked {
    fn response(&self) -> Bytes {
        Bytes::from(self.response.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// What passed by since it was last taken, and the configuration that came before that.
#[derive(Default)]
struct Tape {
    configure: Bytes,
    asked: Vec<Asked>,
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

    /// The plans since something was last taken.
    ///
    /// # Errors
    /// A message can't be read.
    pub fn take(&self) -> Result<Vec<Plan>, Error> {
        let mut tape = self.tape.lock().unwrap_or_else(PoisonError::into_inner);
        let mut plans = Vec::new();
        for asked in std::mem::take(&mut tape.asked) {
            match asked.path.as_str() {
                CONFIGURE => tape.configure = asked.request,
                PLAN => plans.push(plan(&tape.configure, &asked)?),
                _ => {}
            }
        }
        Ok(plans)
    }

    /// All calls of the provider's service since something was last taken, in the order in which they began.
    #[must_use]
    pub fn take_calls(&self) -> Vec<Call> {
        let mut tape = self.tape.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = std::mem::take(&mut tape.asked);
        if let Some(newest) = asked.iter().rfind(|asked| asked.path == CONFIGURE) {
            tape.configure = newest.request.clone();
        }
        let call = |asked: Asked| Call {
            name: asked.path.trim_start_matches(SERVICE).to_owned(),
            request: wire::message(&asked.request),
            response: wire::message(&asked.response()),
        };
        asked.into_iter().map(call).collect()
    }
}

fn plan(configure: &Bytes, asked: &Asked) -> Result<Plan, Error> {
    let (request, response) = (asked.request.clone(), asked.response());
    let asked: plan_resource_change::Request = wire::decode(PLAN, &request)?;
    let answered: plan_resource_change::Response = wire::decode(PLAN, &response)?;
    let action = match (is_null(asked.prior_state.as_ref()), is_null(asked.proposed_new_state.as_ref())) {
        (true, _) => Action::Create,
        (false, true) => Action::Delete,
        (false, false) => Action::Update,
    };
    let replaces = !answered.requires_replace.is_empty();
    Ok(Plan { resource: asked.type_name, action, replaces, configure: configure.clone(), request, response })
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
    let path = head.uri.path().to_owned();
    head.uri = wire::uri(&path);
    if !path.starts_with(SERVICE) {
        let answer = provider.send(Request::from_parts(head, body.boxed_unsync())).await?;
        return Ok(answer.map(BodyExt::boxed_unsync));
    }
    let request = body.collect().await?.to_bytes();
    let whole = Full::new(request.clone()).map_err(|never| match never {}).boxed_unsync();
    let answered = Arc::new(Mutex::new(Vec::new()));
    let asked = Asked { path, request, response: Arc::clone(&answered) };
    tape.lock().unwrap_or_else(PoisonError::into_inner).asked.push(asked);
    let answer = provider.send(Request::from_parts(head, whole)).await?;
    let keep = move |frame: hyper::body::Frame<Bytes>| {
        if let Some(data) = frame.data_ref() {
            answered.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(data);
        }
        frame
    };
    Ok(answer.map(|body| body.map_frame(keep).boxed_unsync()))
}
