//! A Terraform that is small enough for a test: it speaks to the service over gRPC, in one process, and holds a provider to what
//! Terraform holds it to.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod action;
mod blocks;
mod concurrency;
mod deferral;
mod generate;
mod identity;
mod life;
mod list;
mod meta;
mod old;
mod planning;
mod run;
mod upgrades;
mod write_only;

use hyper_util::rt::TokioIo;
use serde_json::Value as Json;
use tonic::transport::{Channel, Endpoint, Server as Grpc};

use super::{Server, service::Service};
use crate::{
    Fault, Model, Provider, Type, Value,
    proto::tfplugin5::{
        self as proto, DynamicValue, configure, diagnostic::Severity, provider_client::ProviderClient,
        provider_server::ProviderServer,
    },
    value::{json, msgpack},
};

pub(super) type Client = ProviderClient<Channel>;

/// Serves a provider over a pipe, and configures it with nothing.
pub(super) async fn start<P: Provider>(server: Server<P>) -> Client {
    let (near, far) = tokio::io::duplex(1 << 16);
    let service = ProviderServer::new(Service::new(server));
    let incoming = futures::stream::iter([Ok::<_, std::io::Error>(far)]);
    let incoming = futures::StreamExt::chain(incoming, futures::stream::pending());
    tokio::spawn(Grpc::builder().add_service(service).serve_with_incoming(incoming));
    let mut near = Some(near);
    let channel = Endpoint::from_static("http://localhost")
        .connect_with_connector(tower::service_fn(move |_| {
            let near = near.take().ok_or_else(|| std::io::Error::other("one connection is all there is"));
            async move { near.map(TokioIo::new) }
        }))
        .await
        .unwrap();
    let mut client = ProviderClient::new(channel);
    let answer = client.configure(configure::Request::default()).await.unwrap().into_inner();
    assert_eq!(said(&answer.diagnostics), "");
    client
}

/// A value in the form that Terraform sends.
pub(super) fn packed(ty: &Type, value: &Value) -> Option<DynamicValue> {
    Some(DynamicValue { msgpack: msgpack::encode(ty, value).unwrap(), json: Vec::new() })
}

/// The same, from JSON; what is missing is null.
pub(super) fn of<M: Model>(value: &Json) -> Option<DynamicValue> {
    let block = M::block();
    let value = block.conform(json::decode(&block.ty(), value.to_string().as_bytes()).unwrap());
    packed(&block.ty(), &value)
}

/// A value in an answer.
pub(super) fn read(ty: &Type, message: Option<&DynamicValue>) -> Value {
    msgpack::decode(ty, &message.unwrap().msgpack).unwrap()
}

/// A model in an answer.
pub(super) fn model<M: Model>(message: Option<&DynamicValue>) -> M {
    M::decode(&read(&M::block().ty(), message)).unwrap()
}

/// The diagnostics in an answer, a line each.
pub(super) fn said(diagnostics: &[proto::Diagnostic]) -> String {
    let line = |one: &proto::Diagnostic| {
        let kind = if one.severity() == Severity::Error { "error" } else { "warning" };
        format!("{kind}: {}: {}\n", one.summary, one.detail)
    };
    diagnostics.iter().map(line).collect()
}

/// Nothing to say.
#[derive(Clone, Debug, Default, PartialEq, Model)]
pub(super) struct NoConfig {}

/// A provider that is nothing but what the tests add to it.
pub(super) struct Bare;

impl Provider for Bare {
    type Config = NoConfig;
    type Client = ();

    async fn configure(&self, _: NoConfig, _: &str) -> Result<(), Fault> {
        Ok(())
    }
}

pub(super) fn bare() -> Server<Bare> {
    Server::new("registry.terraform.io/test/bare", "0.0.0", Bare)
}
