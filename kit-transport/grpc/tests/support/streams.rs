// What `tonic-prost-build` makes of a service of the three streaming shapes,
// and no more of it than the tests use.

use super::pb::{GreetingRequest, GreetingResponse};
use kit_transport_grpc::{Bidi, ClientStreaming, ServerStreaming};
use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};
use tokio_stream::Stream;
use tonic::{
    Request, Response, Status, Streaming,
    codec::{CompressionEncoding, EnabledCompressionEncodings},
    codegen::{Body, BoxFuture, Service, StdError, http},
};

pub const GREETINGS: &str = "/streams.v1.Streams/Greetings";
pub const GATHER: &str = "/streams.v1.Streams/Gather";
pub const CHAT: &str = "/streams.v1.Streams/Chat";

/// What is generated from the service.
#[tonic::async_trait]
pub trait Streams: Send + Sync + 'static {
    type GreetingsStream: Stream<Item = Result<GreetingResponse, Status>> + Send + 'static;

    async fn greetings(
        &self,
        request: Request<GreetingRequest>,
    ) -> Result<Response<Self::GreetingsStream>, Status>;

    async fn gather(
        &self,
        request: Request<Streaming<GreetingRequest>>,
    ) -> Result<Response<GreetingResponse>, Status>;

    type ChatStream: Stream<Item = Result<GreetingResponse, Status>> + Send + 'static;

    async fn chat(
        &self,
        request: Request<Streaming<GreetingRequest>>,
    ) -> Result<Response<Self::ChatStream>, Status>;
}

/// The generated trait, over whatever serves its methods.
#[derive(Debug)]
pub struct Methods<G, A, C> {
    pub greetings: G,
    pub gather: A,
    pub chat: C,
}

#[tonic::async_trait]
impl<G, A, C> Streams for Methods<G, A, C>
where
    G: ServerStreaming<GreetingRequest, GreetingResponse>,
    A: ClientStreaming<GreetingRequest, GreetingResponse>,
    C: Bidi<GreetingRequest, GreetingResponse>,
{
    type GreetingsStream = G::Replies;

    async fn greetings(
        &self,
        request: Request<GreetingRequest>,
    ) -> Result<Response<Self::GreetingsStream>, Status> {
        self.greetings.serve(request).await
    }

    async fn gather(
        &self,
        request: Request<Streaming<GreetingRequest>>,
    ) -> Result<Response<GreetingResponse>, Status> {
        self.gather.serve(request).await
    }

    type ChatStream = C::Replies;

    async fn chat(
        &self,
        request: Request<Streaming<GreetingRequest>>,
    ) -> Result<Response<Self::ChatStream>, Status> {
        self.chat.serve(request).await
    }
}

/// Serves [`Streams`].
#[derive(Debug)]
pub struct StreamsServer<T> {
    inner: Arc<T>,
    compression: EnabledCompressionEncodings,
}

struct GreetingsMethod<T>(Arc<T>);
struct GatherMethod<T>(Arc<T>);
struct ChatMethod<T>(Arc<T>);

impl<T: Streams> tonic::server::ServerStreamingService<GreetingRequest> for GreetingsMethod<T> {
    type Response = GreetingResponse;
    type ResponseStream = T::GreetingsStream;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: Request<GreetingRequest>) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.greetings(request).await })
    }
}

impl<T: Streams> tonic::server::ClientStreamingService<GreetingRequest> for GatherMethod<T> {
    type Response = GreetingResponse;
    type Future = BoxFuture<Response<Self::Response>, Status>;

    fn call(&mut self, request: Request<Streaming<GreetingRequest>>) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.gather(request).await })
    }
}

impl<T: Streams> tonic::server::StreamingService<GreetingRequest> for ChatMethod<T> {
    type Response = GreetingResponse;
    type ResponseStream = T::ChatStream;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: Request<Streaming<GreetingRequest>>) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.chat(request).await })
    }
}

impl<T, B> Service<http::Request<B>> for StreamsServer<T>
where
    T: Streams,
    B: Body + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let Self { inner, compression } = self.clone();
        Box::pin(async move {
            let codec = tonic_prost::ProstCodec::default();
            let mut grpc = tonic::server::Grpc::new(codec)
                .apply_max_message_size_config(Some(1024), None)
                .apply_compression_config(compression, compression);
            Ok(match request.uri().path() {
                GREETINGS => grpc.server_streaming(GreetingsMethod(inner), request).await,
                GATHER => grpc.client_streaming(GatherMethod(inner), request).await,
                CHAT => grpc.streaming(ChatMethod(inner), request).await,
                _ => Status::unimplemented("").into_http(),
            })
        })
    }
}

impl<T> StreamsServer<T> {
    /// Serves `inner`.
    pub fn new(inner: T) -> Self {
        Self { inner: Arc::new(inner), compression: EnabledCompressionEncodings::default() }
    }

    /// Takes and sends compressed messages.
    pub fn compressed(mut self, encoding: CompressionEncoding) -> Self {
        self.compression.enable(encoding);
        self
    }
}

impl<T> Clone for StreamsServer<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), compression: self.compression }
    }
}
