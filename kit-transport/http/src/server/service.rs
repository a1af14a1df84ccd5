use super::{Exchange, ReplyBody, ResponseFuture, StreamFuture, exchange::kit_request};
use crate::{
    DecodeError, Failure, encode_problem,
    identity::Identity,
    shape::{Bidi, ClientStreaming, OneRequest, ServerStreaming, Unary},
    stream::{Incoming, ReadItems, Received, WriteItems},
};
use bytes::Bytes;
use futures_core::Stream;
use http::{Extensions, HeaderMap, HeaderName, Method, request::Parts};
use http_body::Body;
use http_body_util::{Empty, Full};
use kit_endpoint::{Endpoint, Expired, Expires, Fault, Peer};
use kit_transport::{
    Call, End, Hook, Observer, Protocol, Watch, Watched,
    deadline::{self, BadTimeout, REQUEST_TIMEOUT_MS},
    hook::{After, Before, Finally},
};
use std::{
    any::type_name,
    convert::Infallible,
    error, fmt,
    marker::PhantomData,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;
use tower_service::Service;

/// Serves an endpoint over HTTP: a [`Service`] of `http::Request`s that cannot
/// fail, for axum's router, hyper, or anything else that takes one.
///
/// `D` decodes the request, `N` encodes the reply, `H` watches, and `X`
/// encodes every failure. None of them is boxed. See the
/// [crate documentation](crate) for the steps.
///
/// # Streams
///
/// `K` is the shape of the call, the same four as gRPC's:
///
/// | shape | the endpoint takes | and replies with |
/// |---|---|---|
/// | [`new`](Self::new): unary | `Request<Req>` | `Reply` |
/// | [`server_streaming`](Self::server_streaming) | `Request<Req>` | a `Stream` of `Result<Item, E>` |
/// | [`client_streaming`](Self::client_streaming) | `Request<`[`Incoming`]`>` | `Reply` |
/// | [`bidi`](Self::bidi) | `Request<`[`Incoming`]`>` | a `Stream` of `Result<Item, E>` |
///
/// Where there is a stream, `D` is a [`ReadItems`] and `N` a [`WriteItems`]: those of
/// the features `json-lines` and `sse`. One item is read or written when it is
/// asked for; dropped, the reply drops the endpoint's stream. Such a call ends
/// at the deadline of its request, wherever it is; a stream that has begun then
/// ends with [`Expired`](kit_endpoint::Expired), as with any
/// [fault](crate::stream#the-end). Without a deadline it may last for good.
#[derive(Clone)]
pub struct Server<E, D, N, H = (), X = fn(&Failure<'_>) -> http::Response<Bytes>, K = Unary> {
    endpoint: E,
    decode: D,
    encode: N,
    hook: H,
    encode_error: X,
    options: Options,
    shape: PhantomData<fn() -> K>,
}

#[derive(Clone)]
struct Options {
    limit: usize,
    /// Whether the body of a request is read at all.
    reads: bool,
    read_limit: Duration,
    route: Option<&'static str>,
    /// None is the default: nothing to clone for each request.
    timeout: Option<Arc<HeaderName>>,
}

static DEFAULT_TIMEOUT: HeaderName = REQUEST_TIMEOUT_MS;

// ===== impl Server =====

impl<E, D, N> Server<E, D, N> {
    /// Serves `endpoint`, reading with `decode` and writing with `encode`.
    ///
    /// The body of a request may have 2 MiB (axum's default) and take 30 s; failures are
    /// answered by [`encode_problem`]; the deadline is read from
    /// `x-request-timeout-ms` and `grpc-timeout`.
    pub fn new(endpoint: E, decode: D, encode: N) -> Self {
        Self::of(endpoint, decode, encode)
    }
}

/// A server whose hooks and encoder of errors are not said yet.
type Plain<E, D, N, K> = Server<E, D, N, (), fn(&Failure<'_>) -> http::Response<Bytes>, K>;

impl<E, D, N> Plain<E, D, N, ServerStreaming> {
    /// Serves `endpoint`, whose response is a stream, reading the request with
    /// `decode`; `write` writes each item.
    ///
    /// ```
    /// # #[cfg(feature = "json-lines")] {
    /// use kit_endpoint::{Expired, Request};
    /// use kit_transport_http::{Server, json, json_lines};
    /// use tokio_stream::Stream;
    /// use tower::service_fn;
    ///
    /// async fn greetings(
    ///     request: Request<Vec<String>>,
    /// ) -> Result<impl Stream<Item = Result<String, Expired>>, Expired> {
    ///     let names = request.into_message().into_iter();
    ///     Ok(tokio_stream::iter(names.map(|name| Ok(format!("Hello, {name}!")))))
    /// }
    ///
    /// let write = json_lines::Writer::new();
    /// let server = Server::server_streaming(service_fn(greetings), json::decode, write);
    /// let app: axum::Router = axum::Router::new().route_service("/greetings", server);
    /// # let _ = app;
    /// # }
    /// ```
    pub fn server_streaming(endpoint: E, decode: D, write: N) -> Self {
        Self::of(endpoint, decode, write)
    }
}

impl<E, R, N> Plain<E, R, N, ClientStreaming> {
    /// Serves `endpoint`, whose message is a stream, [`Incoming`], each item
    /// read by `read`; `encode` writes the reply.
    ///
    /// ```
    /// # #[cfg(feature = "json-lines")] {
    /// use kit_endpoint::Request;
    /// use kit_transport_http::{Server, json, json_lines, stream::ReadError};
    /// use std::pin::pin;
    /// use tokio_stream::{Stream, StreamExt};
    /// use tower::service_fn;
    ///
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
    /// let read = json_lines::Reader::<String>::new();
    /// let server = Server::client_streaming(service_fn(count), read, json::encode);
    /// let app: axum::Router = axum::Router::new().route_service("/count", server);
    /// # let _ = app;
    /// # }
    /// ```
    pub fn client_streaming(endpoint: E, read: R, encode: N) -> Self {
        Self::of(endpoint, read, encode)
    }
}

impl<E, R, W> Plain<E, R, W, Bidi> {
    /// Serves `endpoint`, whose message and whose response are streams: `read`
    /// and `write` read and write their items.
    ///
    /// The streams are independent: replies go out while requests still come.
    /// That needs a client that does both at once; one that sends all before it
    /// reads (a browser's `fetch`) serves an endpoint that reads all first.
    pub fn bidi(endpoint: E, read: R, write: W) -> Self {
        Self::of(endpoint, read, write)
    }
}

impl<E, D, N, K> Plain<E, D, N, K> {
    fn of(endpoint: E, decode: D, encode: N) -> Self {
        let options = Options {
            limit: 2 << 20,
            reads: true,
            read_limit: Duration::from_secs(30),
            route: None,
            timeout: None,
        };
        let (encode_error, shape): (fn(&Failure<'_>) -> _, _) = (encode_problem, PhantomData);
        Self { endpoint, decode, encode, hook: (), encode_error, options, shape }
    }
}

impl<E, D, N, H, X, K> Server<E, D, N, H, X, K> {
    /// Calls `f` with the head of each request, before it is decoded.
    pub fn before<F>(self, f: F) -> Server<E, D, N, (H, Before<F>), X, K>
    where
        F: Fn(&Call<'_>, &mut Extensions) + Clone,
    {
        self.hook(Before(f))
    }

    /// Calls `f` with the headers of each reply, also of a failure.
    pub fn after<F>(self, f: F) -> Server<E, D, N, (H, After<F>), X, K>
    where
        F: Fn(&mut HeaderMap) + Clone,
    {
        self.hook(After(f))
    }

    /// Calls `f` once each request has ended, however it ended.
    pub fn finally<F>(self, f: F) -> Server<E, D, N, (H, Finally<F>), X, K>
    where
        F: Fn(&End) + Clone,
    {
        self.hook(Finally(f))
    }

    /// Adds a hook. Hooks see requests in the order in which they were added,
    /// and replies in the reverse one.
    pub fn hook<G>(self, hook: G) -> Server<E, D, N, (H, G), X, K> {
        let Self { endpoint, decode, encode, hook: first, encode_error, options, shape } = self;
        Server { endpoint, decode, encode, hook: (first, hook), encode_error, options, shape }
    }

    /// Encodes failures with `f`.
    pub fn encode_error<F>(self, f: F) -> Server<E, D, N, H, F, K>
    where
        F: Fn(&Failure<'_>) -> http::Response<Bytes>,
    {
        let Self { endpoint, decode, encode, hook, options, shape, .. } = self;
        Server { endpoint, decode, encode, hook, encode_error: f, options, shape }
    }

    /// Tells hooks the template of the route on which this is mounted
    /// (`"/users/{id}"`): metrics and logs must not have raw paths.
    #[must_use]
    pub const fn route(mut self, template: &'static str) -> Self {
        self.options.route = Some(template);
        self
    }

    /// Reads the time that the caller allows, in milliseconds, from `header`;
    /// `grpc-timeout` is understood too. `x-request-timeout-ms` by default. A
    /// request that comes with none left, or whose body takes all of it, is
    /// refused as [`Expired`]: the endpoint is not called. One that is overtaken
    /// later drops the endpoint's work, and is answered 504.
    ///
    /// Whichever is sooner counts of that and of [`Expires`] among the
    /// extensions, which a `DeadlineLayer` around the server, or a hook, puts there.
    #[must_use]
    pub fn timeout_header(mut self, header: HeaderName) -> Self {
        self.options.timeout = Some(Arc::new(header));
        self
    }
}

impl<E, D, N, H, X, K: OneRequest> Server<E, D, N, H, X, K> {
    /// Takes bodies of up to `bytes`; a larger one is answered with 413, at
    /// once if its length is announced. 2 MiB by default.
    #[must_use]
    pub const fn body_limit(mut self, bytes: usize) -> Self {
        self.options.limit = bytes;
        self
    }

    /// Waits for a body no longer than `limit`, and no longer than the request's
    /// own deadline. 30 s by default: enough for 2 MiB over a slow line, and
    /// not for a peer that only holds the place.
    #[must_use]
    pub const fn body_timeout(mut self, limit: Duration) -> Self {
        self.options.read_limit = limit;
        self
    }

    /// Reads no body: the request is decoded as if it had none.
    #[must_use]
    pub(crate) const fn unread(mut self) -> Self {
        self.options.reads = false;
        self
    }

    /// Calls the endpoint with the one message of a request: at once if there
    /// is no body, else when it has been read.
    fn call_whole<B, Req, DE>(
        &self,
        request: http::Request<B>,
        before: impl FnOnce(&mut Parts),
    ) -> Exchange<B, E, D, H::Observer, X, Req>
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn error::Error + Send + Sync>>>,
        E: Endpoint<Req>,
        D: Fn(&http::Request<Bytes>) -> Result<Req, DE> + Clone,
        DE: Fault,
        H: Hook,
        X: Fn(&Failure<'_>) -> http::Response<Bytes> + Clone,
    {
        let (mut head, body) = request.into_parts();
        let (watch, ids, deadline) = self.begin(&mut head);
        let encode_error = self.encode_error.clone();
        let deadline = match deadline {
            Ok(deadline) => deadline,
            Err(refusal) => {
                return Exchange::refused(watch, encode_error, ids, refusal.fault());
            }
        };
        before(&mut head);
        let limit = self.options.limit;
        if !self.options.reads || body.is_end_stream() {
            let request = http::Request::from_parts(head, Bytes::new());
            return match (self.decode)(&request) {
                Ok(message) => {
                    let extensions = request.into_parts().0.extensions;
                    let endpoint = self.endpoint.clone();
                    let request = kit_request(message, extensions, deadline);
                    Exchange::called(watch, encode_error, ids, endpoint, request).within(deadline)
                }
                Err(fault) => Exchange::refused(watch, encode_error, ids, &fault),
            };
        }
        if usize::try_from(body.size_hint().lower()).map_or(true, |length| length > limit) {
            let fault = DecodeError::TooLarge { limit };
            return Exchange::refused(watch, encode_error, ids, &fault);
        }
        let (endpoint, decode) = (self.endpoint.clone(), self.decode.clone());
        let limits = (limit, self.options.read_limit);
        Exchange::reading(watch, encode_error, ids, head, body, limits, decode, endpoint, deadline)
            .within(deadline)
    }
}

impl<E, D, N, H: Hook, X, K> Server<E, D, N, H, X, K> {
    /// What every request begins with: hooks see it, and its deadline is read.
    fn begin(
        &self,
        head: &mut Parts,
    ) -> (Watch<H::Observer>, Identity, Result<Option<Instant>, Refusal>) {
        let call = Call::new(Protocol::Http, head.method.as_str(), &head.headers)
            .route(self.options.route)
            .peer(head.extensions.get::<Peer>().copied());
        let mut watch = Watch::new(self.hook.before(&call, &mut head.extensions));
        if head.method == Method::HEAD {
            watch.bodiless();
        }
        let ids = Identity::told(&self.hook, &head.extensions);
        let timeout = self.options.timeout.as_deref().unwrap_or(&DEFAULT_TIMEOUT);
        // What a layer around the server set, or a hook.
        let known = head.extensions.get::<Expires>().map(|expires| expires.0);
        let deadline = match deadline::timeout(&head.headers, timeout) {
            Ok(None) if known.is_none() => Ok(None),
            Ok(timeout) => {
                let now = Instant::now();
                // A limit past the end of time is no limit.
                let told = timeout.and_then(|timeout| now.checked_add(timeout));
                match [told, known].into_iter().flatten().min() {
                    Some(deadline) if deadline <= now => Err(Refusal::Expired(Expired::new(false))),
                    deadline => Ok(deadline),
                }
            }
            Err(bad) => Err(Refusal::BadTimeout(bad)),
        };
        (watch, ids, deadline)
    }

    /// Calls the endpoint with a request that is a stream.
    fn call_stream<B>(
        &self,
        request: http::Request<B>,
        before: impl FnOnce(&mut Parts),
    ) -> Streamed<B, E, D, H::Observer, X>
    where
        B: Body<Data = Bytes>,
        E: Endpoint<Incoming<B, D>>,
        D: ReadItems,
        X: Fn(&Failure<'_>) -> http::Response<Bytes> + Clone,
    {
        let (mut head, body) = request.into_parts();
        let (watch, ids, deadline) = self.begin(&mut head);
        let encode_error = self.encode_error.clone();
        let deadline = match deadline {
            Ok(deadline) => deadline,
            Err(refusal) => {
                return Exchange::refused(watch, encode_error, ids, refusal.fault());
            }
        };
        before(&mut head);
        if let Err(fault) = self.decode.check(&head.headers) {
            return Exchange::refused(watch, encode_error, ids, &fault);
        }
        let received = if H::Observer::SILENT { Received::default() } else { Received::counted() };
        let message = Incoming::new(body, self.decode.clone(), received.clone());
        let request = kit_request(message, head.extensions, deadline);
        Exchange::called(watch, encode_error, ids, self.endpoint.clone(), request)
            .within(deadline)
            .receiving(received)
    }
}

/// Why a request is not even read.
enum Refusal {
    BadTimeout(BadTimeout),
    Expired(Expired),
}

impl Refusal {
    const fn fault(&self) -> &dyn Fault {
        match self {
            Self::BadTimeout(bad) => bad,
            Self::Expired(expired) => expired,
        }
    }
}

/// The exchange of a request that is a stream: there is no body to collect,
/// and nothing to decode, before the endpoint is called.
type Streamed<B, E, R, O, X> =
    Exchange<Empty<Bytes>, E, Undecoded<Incoming<B, R>>, O, X, Incoming<B, R>>;
type Undecoded<Req> = fn(&http::Request<Bytes>) -> Result<Req, Infallible>;

impl<B, E, D, N, H, X, Req, DE, NE> Service<http::Request<B>> for Server<E, D, N, H, X>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn error::Error + Send + Sync>>>,
    E: Endpoint<Req>,
    D: Fn(&http::Request<Bytes>) -> Result<Req, DE> + Clone,
    DE: Fault,
    N: Fn(E::Response) -> Result<http::Response<Bytes>, NE> + Clone,
    NE: Fault,
    H: Hook,
    X: Fn(&Failure<'_>) -> http::Response<Bytes> + Clone,
{
    type Response = http::Response<Watched<Full<Bytes>, H::Observer>>;
    type Error = Infallible;
    type Future = ResponseFuture<B, E, D, N, H::Observer, X, Req>;

    /// Always ready: a permit taken before the body has come would be held by
    /// the slowest sender. The endpoint's readiness is awaited in the future.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        ResponseFuture::new(self.call_whole(request, |_| ()), self.encode.clone())
    }
}

impl<B, E, D, W, H, X, Req, DE, St, T, SE> Service<http::Request<B>>
    for Server<E, D, W, H, X, ServerStreaming>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn error::Error + Send + Sync>>>,
    E: Endpoint<Req, Response = St>,
    D: Fn(&http::Request<Bytes>) -> Result<Req, DE> + Clone,
    DE: Fault,
    St: Stream<Item = Result<T, SE>>,
    SE: Fault,
    W: WriteItems<T>,
    H: Hook,
    X: Fn(&Failure<'_>) -> http::Response<Bytes> + Clone,
{
    type Response = http::Response<ReplyBody<St, W, H::Observer, X>>;
    type Error = Infallible;
    type Future = StreamFuture<B, E, D, W, H::Observer, X, Req>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let before = |head: &mut Parts| self.encode.before(&head.headers, &mut head.extensions);
        StreamFuture::new(self.call_whole(request, before), self.encode.clone())
    }
}

impl<B, E, R, N, H, X, NE> Service<http::Request<B>> for Server<E, R, N, H, X, ClientStreaming>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn error::Error + Send + Sync>>>,
    E: Endpoint<Incoming<B, R>>,
    R: ReadItems,
    N: Fn(E::Response) -> Result<http::Response<Bytes>, NE> + Clone,
    NE: Fault,
    H: Hook,
    X: Fn(&Failure<'_>) -> http::Response<Bytes> + Clone,
{
    type Response = http::Response<Watched<Full<Bytes>, H::Observer>>;
    type Error = Infallible;
    type Future = ResponseFuture<
        Empty<Bytes>,
        E,
        Undecoded<Incoming<B, R>>,
        N,
        H::Observer,
        X,
        Incoming<B, R>,
    >;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        ResponseFuture::new(self.call_stream(request, |_| ()), self.encode.clone())
    }
}

impl<B, E, R, W, H, X, St, T, SE> Service<http::Request<B>> for Server<E, R, W, H, X, Bidi>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn error::Error + Send + Sync>>>,
    E: Endpoint<Incoming<B, R>, Response = St>,
    R: ReadItems,
    St: Stream<Item = Result<T, SE>>,
    SE: Fault,
    W: WriteItems<T>,
    H: Hook,
    X: Fn(&Failure<'_>) -> http::Response<Bytes> + Clone,
{
    type Response = http::Response<ReplyBody<St, W, H::Observer, X>>;
    type Error = Infallible;
    type Future =
        StreamFuture<Empty<Bytes>, E, Undecoded<Incoming<B, R>>, W, H::Observer, X, Incoming<B, R>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let before = |head: &mut Parts| self.encode.before(&head.headers, &mut head.extensions);
        StreamFuture::new(self.call_stream(request, before), self.encode.clone())
    }
}

impl<E: fmt::Debug, D, N, H: fmt::Debug, X, K> fmt::Debug for Server<E, D, N, H, X, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("endpoint", &self.endpoint)
            .field("decode", &format_args!("{}", type_name::<D>()))
            .field("encode", &format_args!("{}", type_name::<N>()))
            .field("hook", &self.hook)
            .field("route", &self.options.route)
            .finish_non_exhaustive()
    }
}
