//! The services beside the provider.

use std::pin::Pin;

use futures::Stream;
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::proto::go_plugin::{
    ConnInfo, Empty, StdioData, grpc_broker_server::GrpcBroker, grpc_controller_server::GrpcController,
    grpc_stdio_server::GrpcStdio,
};

/// Shutdown, and the two streams that Terraform opens on every start and on which we have nothing to say.
#[derive(Debug, Clone)]
pub(crate) struct Companions {
    shutdown: CancellationToken,
}

impl Companions {
    /// `shutdown` fires when Terraform asks the process to end.
    pub(crate) fn new(shutdown: CancellationToken) -> Self {
        Self { shutdown }
    }

    /// A stream that says nothing and ends with the process: an open one would hold up a graceful end.
    fn silence<T: Send + 'static>(&self) -> Silence<T> {
        let shutdown = self.shutdown.clone();
        Box::pin(
            futures::stream::once(async move { shutdown.cancelled_owned().await })
                .filter_map(|()| None::<Result<T, Status>>),
        )
    }
}

type Silence<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[async_trait]
impl GrpcController for Companions {
    async fn shutdown(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        // the server ends gracefully, that is after this reply
        self.shutdown.cancel();
        Ok(Response::new(Empty {}))
    }
}

#[async_trait]
impl GrpcBroker for Companions {
    async fn start_stream(&self, _: Request<Streaming<ConnInfo>>) -> Result<Response<Silence<ConnInfo>>, Status> {
        Ok(Response::new(self.silence()))
    }
}

#[async_trait]
impl GrpcStdio for Companions {
    async fn stream_stdio(&self, _: Request<()>) -> Result<Response<Silence<StdioData>>, Status> {
        Ok(Response::new(self.silence()))
    }
}
