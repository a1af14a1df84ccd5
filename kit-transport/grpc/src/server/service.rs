use super::{
    Incoming, Replies,
    future::{ResponseFuture, StreamFuture},
};
use crate::{
    EncodeError, Rich,
    edge::Slot,
    shape::{Bidi, ClientStreaming, ServerStreaming, Unary},
};
use http::Extensions;
use kit_endpoint::{Carries, Endpoint, Expires, Fault, Request};
use std::{
    any::type_name,
    fmt,
    marker::PhantomData,
    task::{Context, Poll},
};
use tokio_stream::Stream;
use tonic::{Status, Streaming};
use tower::util::Oneshot;
use tower_service::Service;

/// Serves an endpoint as a gRPC method, of the shape `K`.
///
/// It is what tonic calls a `UnaryService` (`ServerStreamingService`, ...); a
/// method of a generated trait calls it by
/// [`Unary::serve`](super::Unary::serve) and its like. It reads each message
/// with `decode`, waits for the endpoint, and writes each reply with `encode`;
/// a fault of any of the three becomes a status, by `X`.
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
#[derive(Clone)]
pub struct Server<E, D, N, X = Rich, K = Unary> {
    endpoint: E,
    decode: D,
    encode: N,
    encode_error: X,
    shape: PhantomData<fn() -> K>,
}

// ===== impl Server =====

impl<E, D, N> Server<E, D, N> {
    /// Serves `endpoint`, reading with `decode` and writing with `encode`: one
    /// message each way.
    pub const fn new(endpoint: E, decode: D, encode: N) -> Self {
        Self::of(endpoint, decode, encode)
    }
}

impl<E, D, N> Server<E, D, N, Rich, ServerStreaming> {
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
    pub const fn server_streaming(endpoint: E, decode: D, encode: N) -> Self {
        Self::of(endpoint, decode, encode)
    }
}

impl<E, D, N> Server<E, D, N, Rich, ClientStreaming> {
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
    pub const fn client_streaming(endpoint: E, decode: D, encode: N) -> Self {
        Self::of(endpoint, decode, encode)
    }
}

impl<E, D, N> Server<E, D, N, Rich, Bidi> {
    /// Serves `endpoint`, whose message and whose response are streams.
    pub const fn bidi(endpoint: E, decode: D, encode: N) -> Self {
        Self::of(endpoint, decode, encode)
    }
}

impl<E, D, N, K> Server<E, D, N, Rich, K> {
    const fn of(endpoint: E, decode: D, encode: N) -> Self {
        Self { endpoint, decode, encode, encode_error: Rich, shape: PhantomData }
    }
}

impl<E, D, N, X, K> Server<E, D, N, X, K> {
    /// Answers faults with `encode_error`, a function most often. By default
    /// it is [`status`](crate::status()).
    pub fn encode_error<Y: EncodeError>(self, encode_error: Y) -> Server<E, D, N, Y, K> {
        let Self { endpoint, decode, encode, shape, .. } = self;
        Server { endpoint, decode, encode, encode_error, shape }
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
    fn decode_and_enter<M, Req, DE>(
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
            Err(fault) => {
                if let Some(slot) = slot {
                    slot.report(&fault);
                }
                Err(self.encode_error.encode_error(&fault))
            }
        }
    }
}

impl<M, E, D, N, X, Req, DE, R, NE> Service<tonic::Request<M>> for Server<E, D, N, X, Unary>
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
    type Future = ResponseFuture<E, N, X, Req>;

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

impl<M, E, D, N, X, Req, DE, St, T, SE, R, NE> Service<tonic::Request<M>>
    for Server<E, D, N, X, ServerStreaming>
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
    type Response = tonic::Response<Replies<St, N, X>>;
    type Error = Status;
    type Future = StreamFuture<E, N, X, Req>;

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

impl<M, E, D, N, X, Req, DE, R, NE> Service<tonic::Request<Streaming<M>>>
    for Server<E, D, N, X, ClientStreaming>
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
    type Future = ResponseFuture<E, N, X, Incoming<M, D>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::Request<Streaming<M>>) -> Self::Future {
        let (_, mut extensions, messages) = request.into_parts();
        let slot = extensions.remove::<Slot>();
        let reply =
            Ok(self.enter(Incoming::new(messages, self.decode.clone(), slot.clone()), extensions));
        ResponseFuture::new(self.encode.clone(), self.encode_error.clone(), slot, reply)
    }
}

impl<M, E, D, N, X, Req, DE, St, T, SE, R, NE> Service<tonic::Request<Streaming<M>>>
    for Server<E, D, N, X, Bidi>
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
    type Response = tonic::Response<Replies<St, N, X>>;
    type Error = Status;
    type Future = StreamFuture<E, N, X, Incoming<M, D>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::Request<Streaming<M>>) -> Self::Future {
        let (_, mut extensions, messages) = request.into_parts();
        let slot = extensions.remove::<Slot>();
        let reply =
            Ok(self.enter(Incoming::new(messages, self.decode.clone(), slot.clone()), extensions));
        StreamFuture::new(self.encode.clone(), self.encode_error.clone(), slot, reply)
    }
}

impl<E: fmt::Debug, D, N, X, K> fmt::Debug for Server<E, D, N, X, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("endpoint", &self.endpoint)
            .field("decode", &format_args!("{}", type_name::<D>()))
            .field("encode", &format_args!("{}", type_name::<N>()))
            .finish_non_exhaustive()
    }
}
