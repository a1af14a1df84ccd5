use super::{
    Encoder, Incoming, Mount, Replies,
    future::{ResponseFuture, StreamFuture},
};
use crate::{
    EncodeError, Rich,
    edge::{Slot, answer},
    shape::{Bidi, ClientStreaming, ServerStreaming, Unary},
    whole::Whole,
};
use http::Extensions;
use http_body::Body;
use kit_endpoint::{Carries, Endpoint, Expires, Fault, Request};
use kit_transport::Phase;
use prost::Message;
use std::{
    any::type_name,
    convert::Infallible,
    fmt,
    marker::PhantomData,
    task::{Context, Poll},
};
use tokio_stream::Stream;
use tonic::{
    Status, Streaming,
    codec::{CompressionEncoding, EnabledCompressionEncodings},
    codegen::{BoxFuture, StdError},
    server::Grpc,
};
use tonic_prost::ProstCodec;
use tower::util::Oneshot;
use tower_service::Service;

/// Serves an endpoint as a gRPC method, of the shape `K`.
///
/// It reads each message, an `M`, with `decode`, waits for the endpoint, and
/// writes each reply, an `R`, with `encode`; a fault of any of the three becomes
/// a status, by `X`.
///
/// It is mounted in one of two ways. It is a service of `http` messages, for a
/// router to have at the path of its method: no code need be generated but the
/// messages, and one endpoint may answer under many names.
///
/// ```
/// use axum::Router;
/// use kit_endpoint::{Panicked, Request};
/// use kit_transport_grpc::Server;
/// use std::convert::Infallible;
/// use tonic::service::Routes;
/// use tower::service_fn;
/// # #[derive(Clone, PartialEq, prost::Message)]
/// # struct GreetingRequest { #[prost(string, tag = "1")] name: String }
/// # #[derive(Clone, PartialEq, prost::Message)]
/// # struct GreetingResponse { #[prost(string, tag = "2")] greeting: String }
///
/// async fn greeting(request: Request<String>) -> Result<String, Panicked> {
///     Ok(format!("Hello, {}!", request.message()))
/// }
///
/// let decode = |ask: GreetingRequest| Ok::<_, Infallible>(ask.name);
/// let encode = |greeting: String| Ok::<_, Infallible>(GreetingResponse { greeting });
/// let greeting = Server::new(service_fn(greeting), decode, encode)
///     .max_decoding_message_size(64 << 10);
/// // tonic's routes, because they answer unknown methods as gRPC asks.
/// let router: Router = Routes::default()
///     .into_axum_router()
///     .route_service("/greeter.v1.Greeter/Greeting", greeting.clone())
///     .route_service("/greeter.v2.Greeter/Greeting", greeting);
/// # let _ = router;
/// ```
///
/// Or a method of a generated trait calls it, by
/// [`Unary::serve`](super::Unary::serve) and its like: it is what tonic calls a
/// `UnaryService` (`ServerStreamingService`, ...). How much is
/// read and compression are then of the generated server, and not of this one.
///
/// | shape | the endpoint takes | and replies with |
/// |---|---|---|
/// | [`new`](Self::new): unary | `Request<Req>` | `Reply` |
/// | [`server_streaming`](Self::server_streaming) | `Request<Req>` | a `Stream` of `Result<Item, E>` |
/// | [`client_streaming`](Self::client_streaming) | `Request<`[`Incoming`]`>` | `Reply` |
/// | [`bidi`](Self::bidi) | `Request<`[`Incoming`]`>` | a `Stream` of `Result<Item, E>` |
///
/// A fault in the middle of a stream is the status in its trailers, as rich as
/// any other, and the stream is dropped with it.
///
/// It is always ready: the endpoint is cloned, and waited for once the message
/// is decoded, so nothing is reserved for a request that is still on its way.
/// Dropped, it drops the endpoint's work.
///
/// Hooks and deadlines are the [`GrpcLayer`](crate::GrpcLayer)'s: it puts the
/// deadline among the request's extensions, and from there it goes into the
/// [`Request`](kit_endpoint::Request). Without the layer there is none.
pub struct Server<E, M, R, D, N, X = Rich, K = Unary> {
    endpoint: E,
    decode: D,
    encode: Encoder<N, R>,
    encode_error: X,
    options: Options,
    messages: PhantomData<fn(M, K) -> R>,
}

/// What a generated server has for all its methods, for one.
#[derive(Debug, Clone, Copy, Default)]
struct Options {
    accept: EnabledCompressionEncodings,
    send: EnabledCompressionEncodings,
    max_decoding: Option<usize>,
}

// ===== impl Server =====

impl<E, M, R, D, N> Server<E, M, R, D, N> {
    /// Serves `endpoint`, reading with `decode` and writing with `encode`: one
    /// message each way.
    pub fn new<Req, DE, T, NE>(endpoint: E, decode: D, encode: N) -> Self
    where
        D: Fn(M) -> Result<Req, DE>,
        N: Fn(T) -> Result<R, NE>,
    {
        Self::of(endpoint, decode, encode)
    }
}

impl<E, M, R, D, N> Server<E, M, R, D, N, Rich, ServerStreaming> {
    /// Serves `endpoint`, whose response is a stream; `encode` writes each item.
    ///
    /// ```
    /// # use kit_endpoint::Request;
    /// # use kit_transport_grpc::Server;
    /// # use std::convert::Infallible;
    /// # use tokio_stream::Stream;
    /// # use tower::service_fn;
    /// # type Never = kit_endpoint::Panicked;
    /// # fn decode(names: String) -> Result<Vec<String>, Infallible> { Ok(vec![names]) }
    /// # fn encode(greeting: String) -> Result<String, Infallible> { Ok(greeting) }
    /// async fn greetings(
    ///     request: Request<Vec<String>>,
    /// ) -> Result<impl Stream<Item = Result<String, Never>>, Never> {
    ///     let names = request.into_message().into_iter();
    ///     Ok(tokio_stream::iter(names.map(|name| Ok(format!("Hello, {name}!")))))
    /// }
    ///
    /// let greetings = Server::server_streaming(service_fn(greetings), decode, encode);
    /// # let _ = greetings;
    /// ```
    pub fn server_streaming<Req, DE, T, NE>(endpoint: E, decode: D, encode: N) -> Self
    where
        D: Fn(M) -> Result<Req, DE>,
        N: Fn(T) -> Result<R, NE>,
    {
        Self::of(endpoint, decode, encode)
    }
}

impl<E, M, R, D, N> Server<E, M, R, D, N, Rich, ClientStreaming> {
    /// Serves `endpoint`, whose message is a stream, [`Incoming`]; `decode`
    /// reads each item.
    ///
    /// ```
    /// # use kit_endpoint::Request;
    /// # use kit_transport_grpc::{Server, server::ReadError};
    /// # use std::{convert::Infallible, pin::pin};
    /// # use tokio_stream::{Stream, StreamExt};
    /// # use tower::service_fn;
    /// # fn decode(name: String) -> Result<String, Infallible> { Ok(name) }
    /// # fn encode(count: usize) -> Result<u64, Infallible> { Ok(count as u64) }
    /// async fn count(
    ///     request: Request<impl Stream<Item = Result<String, ReadError>>>,
    /// ) -> Result<usize, ReadError> {
    ///     let mut names = pin!(request.into_message());
    ///     let mut count = 0;
    ///     while names.try_next().await?.is_some() {
    ///         count += 1;
    ///     }
    ///     Ok(count)
    /// }
    ///
    /// let decode: fn(String) -> Result<String, Infallible> = decode;
    /// let count = Server::client_streaming(service_fn(count), decode, encode);
    /// # fn serves<S: kit_transport_grpc::ClientStreaming<String, u64>>(_: S) {}
    /// # serves(count);
    /// ```
    pub fn client_streaming<Req, DE, T, NE>(endpoint: E, decode: D, encode: N) -> Self
    where
        D: Fn(M) -> Result<Req, DE>,
        N: Fn(T) -> Result<R, NE>,
    {
        Self::of(endpoint, decode, encode)
    }
}

impl<E, M, R, D, N> Server<E, M, R, D, N, Rich, Bidi> {
    /// Serves `endpoint`, whose message and whose response are streams.
    pub fn bidi<Req, DE, T, NE>(endpoint: E, decode: D, encode: N) -> Self
    where
        D: Fn(M) -> Result<Req, DE>,
        N: Fn(T) -> Result<R, NE>,
    {
        Self::of(endpoint, decode, encode)
    }
}

impl<E, M, R, D, N, K> Server<E, M, R, D, N, Rich, K> {
    fn of(endpoint: E, decode: D, encode: N) -> Self {
        let (encode, options) = (Encoder::new(encode), Options::default());
        Self { endpoint, decode, encode, encode_error: Rich, options, messages: PhantomData }
    }
}

impl<E, M, R, D, N, X, K> Server<E, M, R, D, N, X, K> {
    /// Answers faults with `encode_error`, a function most often. By default
    /// it is [`status`](crate::status()).
    pub fn encode_error<Y: EncodeError>(self, encode_error: Y) -> Server<E, M, R, D, N, Y, K> {
        let Self { endpoint, decode, encode, options, messages, .. } = self;
        Server { endpoint, decode, encode, encode_error, options, messages }
    }

    /// Takes messages of up to `bytes`, before any decompression, and of up
    /// to as many after it. 4 MiB by default, which is tonic's and gRPC's.
    #[must_use]
    pub const fn max_decoding_message_size(mut self, bytes: usize) -> Self {
        self.options.max_decoding = Some(bytes);
        self
    }

    /// Sends messages of up to `bytes`, before any compression; a larger one
    /// fails the call with `RESOURCE_EXHAUSTED`. Without a limit by default.
    #[must_use]
    pub const fn max_encoding_message_size(mut self, bytes: usize) -> Self
    where
        R: Message,
    {
        self.encode.limit(bytes);
        self
    }

    /// Takes messages that are compressed so. By default it takes none that
    /// are, and says so.
    #[must_use]
    pub fn accept_compressed(mut self, encoding: CompressionEncoding) -> Self {
        self.options.accept.enable(encoding);
        self
    }

    /// Compresses what it sends, if the caller takes that. By default nothing
    /// is compressed.
    #[must_use]
    pub fn send_compressed(mut self, encoding: CompressionEncoding) -> Self {
        self.options.send.enable(encoding);
        self
    }

    /// Calls the endpoint with `message`.
    fn enter<Req>(&self, message: Req, extensions: Extensions) -> Oneshot<E, Request<Req>>
    where
        E: Service<Request<Req>> + Clone,
    {
        let expires = extensions.get::<Expires>().copied();
        let mut request = Request::from_parts(message, extensions);
        if let Some(Expires(deadline)) = expires {
            request.bring_forward(deadline);
        }
        Oneshot::new(self.endpoint.clone(), request)
    }

    /// Reads the one message of a call, and calls the endpoint with it.
    fn decode_and_enter<Req, DE>(
        &self,
        message: M,
        extensions: Extensions,
        slot: Option<&Slot>,
    ) -> Result<Oneshot<E, Request<Req>>, Status>
    where
        E: Service<Request<Req>> + Clone,
        D: Fn(M) -> Result<Req, DE>,
        DE: Fault,
        X: EncodeError,
    {
        match (self.decode)(message) {
            Ok(message) => Ok(self.enter(message, extensions)),
            Err(fault) => Err(answer(Phase::Decode, fault, slot, &self.encode_error)),
        }
    }
}

impl<E, M, R, D, N, X, Req, DE, NE> Service<tonic::Request<M>> for Server<E, M, R, D, N, X, Unary>
where
    E: Endpoint<Req>,
    D: Fn(M) -> Result<Req, DE>,
    DE: Fault,
    N: Fn(E::Response) -> Result<R, NE> + Clone,
    NE: Fault,
    X: EncodeError,
{
    type Response = tonic::Response<R>;
    type Error = Status;
    type Future = ResponseFuture<E, Encoder<N, R>, X, Req>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::Request<M>) -> Self::Future {
        let (_, mut extensions, message) = request.into_parts();
        // Taken out: a request that the endpoint derives is another call.
        let slot = extensions.remove::<Slot>();
        let reply = self.decode_and_enter(message, extensions, slot.as_ref());
        ResponseFuture::new(self.encode.clone(), self.encode_error.clone(), slot, reply)
    }
}

impl<E, M, R, D, N, X, Req, DE, St, T, SE, NE> Service<tonic::Request<M>>
    for Server<E, M, R, D, N, X, ServerStreaming>
where
    E: Endpoint<Req, Response = St>,
    D: Fn(M) -> Result<Req, DE>,
    DE: Fault,
    St: Stream<Item = Result<T, SE>>,
    SE: Fault,
    N: Fn(T) -> Result<R, NE> + Clone,
    NE: Fault,
    X: EncodeError,
{
    type Response = tonic::Response<Replies<St, Encoder<N, R>, X>>;
    type Error = Status;
    type Future = StreamFuture<E, Encoder<N, R>, X, Req>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::Request<M>) -> Self::Future {
        let (_, mut extensions, message) = request.into_parts();
        let slot = extensions.remove::<Slot>();
        let reply = self.decode_and_enter(message, extensions, slot.as_ref());
        StreamFuture::new(self.encode.clone(), self.encode_error.clone(), slot, reply)
    }
}

impl<E, M, R, D, N, X, Req, DE, NE> Service<tonic::Request<Streaming<M>>>
    for Server<E, M, R, D, N, X, ClientStreaming>
where
    E: Endpoint<Incoming<M, D>>,
    D: Fn(M) -> Result<Req, DE> + Clone,
    DE: Fault,
    N: Fn(E::Response) -> Result<R, NE> + Clone,
    NE: Fault,
    X: EncodeError,
{
    type Response = tonic::Response<R>;
    type Error = Status;
    type Future = ResponseFuture<E, Encoder<N, R>, X, Incoming<M, D>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::Request<Streaming<M>>) -> Self::Future {
        let (_, mut extensions, messages) = request.into_parts();
        let slot = extensions.remove::<Slot>();
        let incoming = Incoming::new(messages, self.decode.clone());
        let reply = Ok(self.enter(incoming, extensions));
        ResponseFuture::new(self.encode.clone(), self.encode_error.clone(), slot, reply)
    }
}

impl<E, M, R, D, N, X, Req, DE, St, T, SE, NE> Service<tonic::Request<Streaming<M>>>
    for Server<E, M, R, D, N, X, Bidi>
where
    E: Endpoint<Incoming<M, D>, Response = St>,
    D: Fn(M) -> Result<Req, DE> + Clone,
    DE: Fault,
    St: Stream<Item = Result<T, SE>>,
    SE: Fault,
    N: Fn(T) -> Result<R, NE> + Clone,
    NE: Fault,
    X: EncodeError,
{
    type Response = tonic::Response<Replies<St, Encoder<N, R>, X>>;
    type Error = Status;
    type Future = StreamFuture<E, Encoder<N, R>, X, Incoming<M, D>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::Request<Streaming<M>>) -> Self::Future {
        let (_, mut extensions, messages) = request.into_parts();
        let slot = extensions.remove::<Slot>();
        let incoming = Incoming::new(messages, self.decode.clone());
        let reply = Ok(self.enter(incoming, extensions));
        StreamFuture::new(self.encode.clone(), self.encode_error.clone(), slot, reply)
    }
}

impl<E, M, R, D, N, X, K, B> Service<http::Request<B>> for Server<E, M, R, D, N, X, K>
where
    Self: Clone,
    K: Mount<Self, M, R>,
    M: Message + Default + 'static,
    R: Message + 'static,
    B: Body + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let Options { accept, send, max_decoding } = self.options;
        let grpc = Grpc::new(ProstCodec::default())
            .apply_compression_config(accept, send)
            .apply_max_message_size_config(max_decoding, None);
        let reply = K::mount(grpc, self.clone(), request.map(Whole::new));
        // The box that generated servers have too: tonic's future has no name.
        Box::pin(async move { Ok(reply.await) })
    }
}

impl<E, M, R, D, N, X, K> Clone for Server<E, M, R, D, N, X, K>
where
    E: Clone,
    D: Clone,
    N: Clone,
    X: Clone,
{
    fn clone(&self) -> Self {
        Self {
            endpoint: self.endpoint.clone(),
            decode: self.decode.clone(),
            encode: self.encode.clone(),
            encode_error: self.encode_error.clone(),
            options: self.options,
            messages: PhantomData,
        }
    }
}

impl<E: fmt::Debug, M, R, D, N, X, K> fmt::Debug for Server<E, M, R, D, N, X, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("endpoint", &self.endpoint)
            .field("decode", &format_args!("{}", type_name::<D>()))
            .field("encode", &format_args!("{}", type_name::<N>()))
            .finish_non_exhaustive()
    }
}
