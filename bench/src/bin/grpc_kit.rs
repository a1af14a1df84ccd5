//! Our gRPC server, alone: both of its parts, no hook, no layer.

use hyper_util::service::TowerToHyperService;
use kit_bench::{
    BoxError, EmptyName, Greeting, Hello, Many, greet, greeting,
    pb::{
        Ask, Reply,
        bench_server::{Bench, BenchServer},
    },
    serve_one,
};
use kit_endpoint::{Fault, Request};
use kit_transport_grpc::{
    Bidi, ClientStreaming, GrpcLayer, Server, ServerStreaming, Unary, server::ReadError,
};
use std::{convert::Infallible, pin::pin};
use tokio_stream::{Stream, StreamExt};
use tonic::{Response, Status, Streaming};
use tower::{Layer, service_fn};

/// The generated trait, method by method.
struct Kit<U, M, G, C> {
    greet: U,
    many: M,
    gather: G,
    chat: C,
}

#[tonic::async_trait]
impl<U, M, G, C> Bench for Kit<U, M, G, C>
where
    U: Unary<Ask, Reply>,
    M: ServerStreaming<Ask, Reply>,
    G: ClientStreaming<Ask, Reply>,
    C: Bidi<Ask, Reply>,
{
    async fn greet(&self, request: tonic::Request<Ask>) -> Result<Response<Reply>, Status> {
        self.greet.serve(request).await
    }

    type ManyStream = M::Replies;

    async fn many(
        &self,
        request: tonic::Request<Ask>,
    ) -> Result<Response<Self::ManyStream>, Status> {
        self.many.serve(request).await
    }

    async fn gather(
        &self,
        request: tonic::Request<Streaming<Ask>>,
    ) -> Result<Response<Reply>, Status> {
        self.gather.serve(request).await
    }

    type ChatStream = C::Replies;

    async fn chat(
        &self,
        request: tonic::Request<Streaming<Ask>>,
    ) -> Result<Response<Self::ChatStream>, Status> {
        self.chat.serve(request).await
    }
}

/// Why a stream has no greeting.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Name(#[from] EmptyName),
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Fault for Error {
    fn inner(&self) -> Option<&dyn Fault> {
        Some(match self {
            Self::Name(fault) => fault,
            Self::Read(fault) => fault,
        })
    }
}

fn decode(Ask { name, .. }: Ask) -> Result<Hello, Infallible> {
    Ok(Hello { name })
}

fn whole(ask: Ask) -> Result<Ask, Infallible> {
    Ok(ask)
}

fn encode(Greeting { greeting }: Greeting) -> Result<Reply, Infallible> {
    Ok(Reply { greeting })
}

async fn many(request: Request<Ask>) -> Result<Many, EmptyName> {
    let Ask { name, count } = request.into_message();
    Ok(Many::new(name, count))
}

async fn gather<St>(request: Request<St>) -> Result<Greeting, Error>
where
    St: Stream<Item = Result<Hello, ReadError>>,
{
    let mut asks = pin!(request.into_message());
    let mut last = Greeting { greeting: String::new() };
    while let Some(hello) = asks.try_next().await? {
        last = greeting(&hello.name)?;
    }
    Ok(last)
}

async fn chat<St>(
    request: Request<St>,
) -> Result<impl Stream<Item = Result<Greeting, Error>> + use<St>, Error>
where
    St: Stream<Item = Result<Hello, ReadError>>,
{
    Ok(request.into_message().map(|hello| Ok(greeting(&hello?.name)?)))
}

fn main() -> Result<(), BoxError> {
    let endpoint = service_fn(|request: Request<Hello>| greet(request.into_message()));
    let kit = Kit {
        greet: Server::new(endpoint, decode, encode),
        many: Server::server_streaming(service_fn(many), whole, encode),
        gather: Server::client_streaming(service_fn(gather), decode, encode),
        chat: Server::bidi(service_fn(chat), decode, encode),
    };
    serve_one(TowerToHyperService::new(GrpcLayer::new().layer(BenchServer::new(kit))))
}
