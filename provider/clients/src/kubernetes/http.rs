//! One HTTP call into a pod.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Error, Kubernetes};
use crate::gcp::chain;

/// Time for one call.
const TIMEOUT: Duration = Duration::from_secs(15);

/// A request with a JSON body or none.
#[derive(Clone, Debug)]
pub struct Call {
    /// Method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// Body.
    pub body: Option<Value>,
    /// Time for all of it.
    pub timeout: Duration,
}

impl Call {
    /// `GET path`
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// `POST path` without a body.
    pub fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    /// `PUT path` without a body.
    pub fn put(path: impl Into<String>) -> Self {
        Self::new(Method::PUT, path)
    }

    /// `DELETE path`
    pub fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path)
    }

    fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), body: None, timeout: TIMEOUT }
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }

    /// With another time limit.
    #[must_use]
    pub fn within(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }
}

/// What came back, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: Bytes,
}

impl Answer {
    /// 2xx.
    pub const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// The body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body)
    }

    /// The body as text, cut after 500 characters, for messages.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).chars().take(500).collect()
    }
}

/// Why a call into a pod gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// No pod to ask.
    #[error("no pod of {namespace}/{service} is running")]
    NoPod {
        /// Namespace.
        namespace: String,
        /// Service.
        service: String,
    },
    /// The request was not sent: nothing has happened.
    #[error("{target} can't be reached: {cause}")]
    NotSent {
        /// Pod and port.
        target: String,
        /// Why.
        cause: String,
    },
    /// The request may have been carried out, but no answer came.
    #[error("{target} did not answer: {cause}")]
    NoAnswer {
        /// Pod and port.
        target: String,
        /// Why.
        cause: String,
    },
    /// The API server failed us before any pod was asked.
    #[error(transparent)]
    Kubernetes(#[from] Error),
}

impl CallError {
    /// Whether it is certain that nothing was done.
    pub const fn nothing_happened(&self) -> bool {
        !matches!(self, Self::NoAnswer { .. })
    }
}

impl Kubernetes {
    /// One call to a port of a pod, over a port-forward of its own.
    pub async fn call_pod(&self, namespace: &str, pod: &str, port: u16, call: &Call) -> Result<Answer, CallError> {
        let target = format!("{namespace}/{pod}:{port}");
        let mut sent = false;
        match tokio::time::timeout(call.timeout, self.exchange(&target, namespace, pod, port, call, &mut sent)).await {
            Ok(result) => result,
            Err(_) => {
                let cause = format!("nothing within {} s", call.timeout.as_secs());
                Err(if sent { CallError::NoAnswer { target, cause } } else { CallError::NotSent { target, cause } })
            }
        }
    }

    async fn exchange(
        &self,
        target: &str,
        namespace: &str,
        pod: &str,
        port: u16,
        call: &Call,
        sent: &mut bool,
    ) -> Result<Answer, CallError> {
        let not_sent = |cause: String| CallError::NotSent { target: target.to_owned(), cause };
        let no_answer = |cause: String| CallError::NoAnswer { target: target.to_owned(), cause };
        let mut request =
            Request::builder().method(&call.method).uri(&call.path).header(header::HOST, format!("{pod}:{port}"));
        request = request.header(header::ACCEPT, "application/json");
        if call.body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = call.body.as_ref().map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let request = request.body(Full::new(body)).map_err(|error| not_sent(error.to_string()))?;

        let mut stream = self.forward(namespace, pod, port).await?;
        let failure = stream.take_failure();
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| not_sent(chain(&error)))?;
        // Polled here and not in a task of its own: it ends with this call.
        let talk = async {
            *sent = true;
            let answer = sender.send_request(request).await.map_err(|error| no_answer(chain(&error)))?;
            let status = answer.status();
            let body = answer.into_body().collect().await.map_err(|error| no_answer(chain(&error)))?.to_bytes();
            Ok((status, body))
        };
        let result: Result<(StatusCode, Bytes), CallError> = tokio::select! {
            biased;
            result = talk => result,
            () = async { let _ = connection.await; std::future::pending::<()>().await } => unreachable_end(no_answer),
        };
        match result {
            Ok((status, body)) => Ok(Answer { status: status.as_u16(), body }),
            // The API server tells when nothing listens on the port; then nothing was delivered.
            Err(error) => match told(failure).await {
                Some(cause) => Err(not_sent(cause)),
                None => Err(error),
            },
        }
    }

    /// One call to the pods behind a Service. The next pod is asked if a pod certainly has not got the request, or if
    /// asking twice does no harm (`GET`).
    pub async fn call_service(
        &self,
        namespace: &str,
        service: &str,
        port: u16,
        call: &Call,
    ) -> Result<Answer, CallError> {
        let pods = self.pods_behind(namespace, service).await?;
        let mut failed = CallError::NoPod { namespace: namespace.to_owned(), service: service.to_owned() };
        for pod in pods {
            match self.call_pod(namespace, &pod, port, call).await {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    tracing::debug!(%error, namespace, pod, path = call.path, "call into a pod failed");
                    let again = call.method == Method::GET || error.nothing_happened();
                    failed = error;
                    if !again {
                        break;
                    }
                }
            }
        }
        Err(failed)
    }
}

fn unreachable_end(no_answer: impl Fn(String) -> CallError) -> Result<(StatusCode, Bytes), CallError> {
    Err(no_answer("the connection ended".to_owned()))
}

/// What the error channel says, if it says it soon.
async fn told(failure: Option<futures::future::BoxFuture<'static, Option<String>>>) -> Option<String> {
    let failure = failure?;
    let text = tokio::time::timeout(Duration::from_millis(200), failure).await.ok()??;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
