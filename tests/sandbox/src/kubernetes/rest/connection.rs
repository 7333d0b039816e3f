//! Accepting, TLS, and what a crash or a hang of the cluster does to connections.

use std::future::Future;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::request::{self, Dropped};
use super::response::Body;
use crate::kubernetes::host::{Host, Reach};

const LOOK: Duration = Duration::from_millis(20);

/// Serves a host's API, plain without `tls`. Ends when the host's store is gone.
pub fn serve_host<H: Host>(host: H, listener: TcpListener, tls: Option<Arc<rustls::ServerConfig>>) {
    serve_with(host, listener, tls, request::answer);
}

/// The same with answers of another kind.
pub fn serve_with<H, A, F>(host: H, listener: TcpListener, tls: Option<Arc<rustls::ServerConfig>>, answer: A)
where
    H: Host,
    A: Fn(H, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<Body>, Dropped>> + Send + 'static,
{
    tokio::spawn(async move {
        if listener.set_nonblocking(true).is_err() {
            return;
        }
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
        let acceptor = tls.map(tokio_rustls::TlsAcceptor::from);
        let mut look = tokio::time::interval(Duration::from_millis(200));
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let Ok((stream, _)) = accepted else { continue };
                    tokio::spawn(connection(host.clone(), stream, acceptor.clone(), answer.clone()));
                }
                _ = look.tick() => {
                    if host.with_store(|_| ()).is_none() {
                        return;
                    }
                }
            }
        }
    });
}

async fn connection<H, A, F>(host: H, stream: TcpStream, acceptor: Option<tokio_rustls::TlsAcceptor>, answer: A)
where
    H: Host,
    A: Fn(H, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<Body>, Dropped>> + Send + 'static,
{
    let _ = stream.set_nodelay(true);
    let power = host.clone();
    let work = async move {
        match acceptor {
            Some(acceptor) => {
                if let Ok(stream) = acceptor.accept(stream).await {
                    http(host, stream, answer).await;
                }
            }
            None => http(host, stream, answer).await,
        }
    };
    let _ = under_power(&power, work).await;
}

async fn http<H, A, F>(host: H, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, answer: A)
where
    H: Host,
    A: Fn(H, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<Body>, Dropped>> + Send + 'static,
{
    let service = service_fn(move |request| answer(host.clone(), request));
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
}

/// Runs something that lives in the cluster: it stands still while the cluster hangs, and is dropped (`None`) when it refuses.
pub async fn under_power<H: Host, F: Future>(host: &H, work: F) -> Option<F::Output> {
    tokio::pin!(work);
    let mut look = tokio::time::interval(LOOK);
    loop {
        match host.reach() {
            Reach::Refuses => return None,
            Reach::Hangs => {
                look.tick().await;
            }
            Reach::Answers => {
                tokio::select! {
                    output = &mut work => return Some(output),
                    _ = look.tick() => {}
                }
            }
        }
    }
}
