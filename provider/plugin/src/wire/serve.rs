//! A plugin process from start to end.

use std::{
    env, io,
    os::unix::process::parent_id,
    process::{self, ExitCode, exit},
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::{UnixListener, UnixStream},
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use super::{
    companions::Companions,
    debug,
    handshake::{self, Environment},
    log, panic,
    proto::{
        go_plugin::{
            grpc_broker_server::GrpcBrokerServer, grpc_controller_server::GrpcControllerServer,
            grpc_stdio_server::GrpcStdioServer,
        },
        tfplugin5::provider_server::{Provider, ProviderServer},
    },
    socket::{Connection, Socket},
    tls::{Identity, TlsError},
};

/// The largest message in either direction; what providers in Go allow.
const LARGEST_MESSAGE: usize = 256 << 20;

/// How long a peer may take for its TLS handshake.
const TLS_PATIENCE: Duration = Duration::from_secs(10);

/// How long the connections get to end after the reply to Shutdown. Terraform kills after two seconds.
const GRACE: Duration = Duration::from_millis(200);

/// How often we look whether Terraform still lives. Killed, it can't say Shutdown, and nobody else would end us.
const WATCH: Duration = Duration::from_millis(500);

/// The exit code of a process that ended on SIGTERM, as shells have it.
const TERMINATED: i32 = 128 + 15;

/// The exit code of a process whose Terraform is gone, as if by SIGHUP.
const ABANDONED: i32 = 128 + 1;

#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error("can't listen on a Unix socket: {0}")]
    Bind(#[source] io::Error),
    #[error("can't write the handshake line to stdout: {0}")]
    Announce(#[source] io::Error),
    #[error("can't watch signals: {0}")]
    Signals(#[source] io::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("the gRPC server failed: {0}")]
    Server(#[from] tonic::transport::Error),
}

/// Serves until Terraform asks to end. Returns only if that never began; else the process ends in here, at once: a look-up that
/// still blocks a thread must not keep Terraform waiting.
pub(crate) async fn run(address: &str, version: &str, provider: impl Provider) -> ExitCode {
    let environment = Environment::read();
    let debugging = debug::is_wanted(env::args_os().skip(1));
    if !debugging && !environment.is_terraform() {
        complain(&handshake::explanation(address, version));
        return ExitCode::FAILURE;
    }
    panic::install();
    log::install(address);
    if !debugging && !environment.offers_our_protocol() {
        tracing::error!(ours = handshake::PROTOCOL_VERSION, "Terraform offers no protocol that this provider speaks");
    }
    let served = match debugging {
        true => attachable(address, &environment, provider).await,
        false => serve(&environment, provider).await,
    };
    match served {
        Ok(code) => exit(code),
        Err(error) => {
            complain(&format!("terraform-provider {address} {version}: {error}\n"));
            ExitCode::FAILURE
        }
    }
}

async fn serve(environment: &Environment, provider: impl Provider) -> Result<i32, ServeError> {
    // Ctrl-C reaches the whole process group. Terraform then sends Stop and waits for us, so it must not end us.
    let _deaf = signal(SignalKind::interrupt()).map_err(ServeError::Signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signals)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(ServeError::Signals)?;
    let terraform = parent_id();

    let identity = environment.client_certificate.as_deref().map(Identity::for_client).transpose()?;
    let (socket, listener) = Socket::bind(environment.socket_directory.as_deref()).map_err(ServeError::Bind)?;
    // only now: Terraform connects as soon as it has read the line
    let certificate = identity.as_ref().map(|identity| identity.certificate.as_ref());
    handshake::announce(&environment.line(socket.path(), certificate)).map_err(ServeError::Announce)?;

    let shutdown = CancellationToken::new();
    let acceptor = identity.map(|identity| TlsAcceptor::from(identity.config));
    let server = grpc(listener, acceptor, provider, shutdown.clone());
    tokio::pin!(server);
    let code = tokio::select! {
        ended = &mut server => { ended?; 0 }
        () = shutdown.cancelled() => {
            // the reply to Shutdown is on its way; a call that still runs has been given up by Terraform
            if let Ok(Err(error)) = timeout(GRACE, &mut server).await {
                tracing::debug!(%error, "a connection broke at the end");
            }
            0
        }
        _ = terminate.recv() => TERMINATED,
        _ = hangup.recv() => ABANDONED,
        () = orphaned(terraform) => ABANDONED,
    };
    drop(socket);
    Ok(code)
}

/// Serves whoever attaches, until the user ends it.
async fn attachable(address: &str, environment: &Environment, provider: impl Provider) -> Result<i32, ServeError> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signals)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(ServeError::Signals)?;
    let (socket, listener) = Socket::bind(environment.socket_directory.as_deref()).map_err(ServeError::Bind)?;
    handshake::announce(&debug::announcement(address, process::id(), socket.path())).map_err(ServeError::Announce)?;

    // never fires: a Shutdown is not for this process
    let shutdown = CancellationToken::new();
    let code = tokio::select! {
        ended = grpc(listener, None, provider, shutdown) => { ended?; 0 }
        _ = interrupt.recv() => 0,
        _ = terminate.recv() => TERMINATED,
        _ = hangup.recv() => ABANDONED,
    };
    drop(socket);
    Ok(code)
}

/// Ends when `parent` does: an orphan gets another parent.
async fn orphaned(parent: u32) {
    while parent_id() == parent {
        tokio::time::sleep(WATCH).await;
    }
}

async fn grpc(
    listener: UnixListener,
    acceptor: Option<TlsAcceptor>,
    provider: impl Provider,
    shutdown: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let companions = Companions::new(shutdown.clone());
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_service_status("plugin", tonic_health::ServingStatus::Serving).await;
    Server::builder()
        .add_service(
            ProviderServer::new(provider)
                .max_decoding_message_size(LARGEST_MESSAGE)
                .max_encoding_message_size(LARGEST_MESSAGE),
        )
        .add_service(GrpcControllerServer::new(companions.clone()))
        .add_service(GrpcBrokerServer::new(companions.clone()))
        .add_service(GrpcStdioServer::new(companions))
        .add_service(health_service)
        .serve_with_incoming_shutdown(connections(listener, acceptor), shutdown.cancelled_owned())
        .await
}

/// Accepts each peer in a task of its own: one that stalls in its handshake doesn't hold up the next.
fn connections(listener: UnixListener, acceptor: Option<TlsAcceptor>) -> ReceiverStream<Result<Connection, io::Error>> {
    let (sender, receiver) = mpsc::channel(16);
    let acceptor = acceptor.map(Arc::new);
    tokio::spawn(async move {
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // too many open files, for example: it may pass
                    tracing::warn!(%error, "can't accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let (sender, acceptor) = (sender.clone(), acceptor.clone());
            tokio::spawn(async move {
                match accept(stream, acceptor.as_deref()).await {
                    // the receiver is gone when the server has ended
                    Ok(connection) => drop(sender.send(Ok(connection)).await),
                    Err(error) => tracing::warn!(%error, "refused a connection"),
                }
            });
        }
    });
    ReceiverStream::new(receiver)
}

async fn accept(stream: UnixStream, acceptor: Option<&TlsAcceptor>) -> io::Result<Connection> {
    let Some(acceptor) = acceptor else {
        return Ok(Connection::new(stream));
    };
    let stream = timeout(TLS_PATIENCE, acceptor.accept(stream)).await??;
    Ok(Connection::new(stream))
}

/// To the person at the terminal, if there is one.
fn complain(text: &str) {
    use std::io::Write;
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
