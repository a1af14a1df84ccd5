use super::{
    CallError, ReceivedMetadata, Rejection, Replies,
    future::{ResponseFuture, StreamFuture},
    options::{Opening, Options},
    outgoing::{Outgoing, Waiting},
    watching::{Counted, Traffic, Watching},
};
use crate::{
    edge::ReplyMetadata,
    shape::{Bidi, ClientStreaming, ServerStreaming, Unary},
};
use http::{
    Extensions, HeaderMap, HeaderValue, Method, Uri, Version,
    header::{CONTENT_TYPE, TE},
    uri::PathAndQuery,
};
use http_body::Body as HttpBody;
use kit_endpoint::{Expired, Fault, Request};
use kit_transport::{
    Call, End, Hook, Observer, Protocol,
    deadline::GRPC_TIMEOUT,
    hook::{After, Before, Finally},
    propagate,
};
use prost::Message;
use std::{
    any::type_name,
    error::Error,
    fmt,
    marker::PhantomData,
    task::{Context, Poll, ready},
};
use tokio::time::Instant;
use tokio_stream::Stream;
use tonic::{
    Status,
    body::Body,
    client::GrpcService,
    codec::{Codec, CompressionEncoding, EncodeBody},
};
use tonic_prost::ProstCodec;
use tower_service::Service;

/// Calls a method of another service, of the shape `K`: an endpoint, whose
/// other side is there.
///
/// It turns the message of a [`Request`] into `M` with `encode`, sends it over
/// `S`, and the reply, an `R`, into the endpoint's with `decode`. `S` is
/// whatever carries gRPC: tonic's `Channel`, a layer around one, a server in
/// the same process.
///
/// ```
/// use kit_endpoint::Request;
/// use kit_transport_grpc::Client;
/// use std::convert::Infallible;
/// # #[derive(Clone, PartialEq, prost::Message)]
/// # struct GreetingRequest { #[prost(string, tag = "1")] name: String }
/// # #[derive(Clone, PartialEq, prost::Message)]
/// # struct GreetingResponse { #[prost(string, tag = "2")] greeting: String }
///
/// fn encode(name: String) -> Result<GreetingRequest, Infallible> {
///     Ok(GreetingRequest { name })
/// }
///
/// fn decode(reply: GreetingResponse) -> Result<String, Infallible> {
///     Ok(reply.greeting)
/// }
///
/// fn client(channel: tonic::transport::Channel) -> impl kit_endpoint::Endpoint<String> {
///     Client::new(channel, "/greeter.v1.Greeter/Greeting", encode, decode)
/// }
/// ```
///
/// | shape | the endpoint takes | and replies with |
/// |---|---|---|
/// | [`new`](Self::new): unary | `Request<Req>` | `Reply` |
/// | [`server_streaming`](Self::server_streaming) | `Request<Req>` | [`Replies`], a stream |
/// | [`client_streaming`](Self::client_streaming) | `Request<St>` | `Reply` |
/// | [`bidi`](Self::bidi) | `Request<St>` | [`Replies`], a stream |
///
/// `St` is a `Stream` of `Result<Req, E>`; an error gives the call up, and is
/// what the call fails with.
///
/// # What travels
///
/// What is left of the deadline goes as `grpc-timeout`, and the call is given
/// up when it has passed; one that has passed before is refused, unsent. The
/// request's id, global metadata and criticality go too, unless
/// [`metadata`](Self::metadata) wrote them (see [`propagate`]), and the
/// extensions go into the `http::Request`, for layers around `S`. What comes
/// back beside the reply is for a [`ReceivedMetadata`] among the extensions.
///
/// # Hooks
///
/// `H` watches, as at a [`GrpcLayer`](crate::GrpcLayer). `before` sees the
/// metadata that [`metadata`](Self::metadata) wrote, and what it puts into the
/// extensions travels too; `after` sees the head of the reply; of a failure a
/// hook hears at which step it came ([`Phase`](kit_transport::Phase); a deadline
/// that has passed is one of `send`). `finally` is called once: when the caller
/// has its reply or its error, when a stream of replies is at its end, or when
/// either is dropped before. Its [`End`] counts the bytes that the connection
/// took, and those that were read.
///
/// # Readiness
///
/// That of `S`. Dropping the future gives the call up, which resets the stream
/// and so cancels the handler at the other side. So does dropping a stream of
/// replies, in whatever state the requests are.
pub struct Client<S, M, R, N, D, P = fn(&Extensions, &mut HeaderMap), K = Unary, H = ()> {
    service: S,
    uri: Uri,
    encode: N,
    decode: D,
    metadata: P,
    hook: H,
    options: Options,
    messages: PhantomData<fn(M, K) -> R>,
}

// ===== impl Client =====

impl<S, M, R, N, D> Client<S, M, R, N, D> {
    /// Calls the method at `path`, `/package.Service/Method`, over `service`.
    ///
    /// # Panics
    ///
    /// If `path` is not the path of a URI.
    pub fn new<Req, NE, Reply, DE>(service: S, path: &'static str, encode: N, decode: D) -> Self
    where
        N: Fn(Req) -> Result<M, NE>,
        D: Fn(R) -> Result<Reply, DE>,
    {
        Self::of(service, path, encode, decode)
    }
}

impl<S, M, R, N, D> Client<S, M, R, N, D, NoMetadata, ServerStreaming> {
    /// Calls the method at `path`, which replies with a stream.
    ///
    /// # Panics
    ///
    /// If `path` is not the path of a URI.
    pub fn server_streaming<Req, NE, Reply, DE>(
        service: S,
        path: &'static str,
        encode: N,
        decode: D,
    ) -> Self
    where
        N: Fn(Req) -> Result<M, NE>,
        D: Fn(R) -> Result<Reply, DE>,
    {
        Self::of(service, path, encode, decode)
    }
}

impl<S, M, R, N, D> Client<S, M, R, N, D, NoMetadata, ClientStreaming> {
    /// Calls the method at `path`, which takes a stream.
    ///
    /// # Panics
    ///
    /// If `path` is not the path of a URI.
    pub fn client_streaming<Req, NE, Reply, DE>(
        service: S,
        path: &'static str,
        encode: N,
        decode: D,
    ) -> Self
    where
        N: Fn(Req) -> Result<M, NE>,
        D: Fn(R) -> Result<Reply, DE>,
    {
        Self::of(service, path, encode, decode)
    }
}

impl<S, M, R, N, D> Client<S, M, R, N, D, NoMetadata, Bidi> {
    /// Calls the method at `path`, which takes a stream and replies with one.
    ///
    /// The replies are there once the head of the reply is, which some servers
    /// (gRPC's C-core) send only with their first reply: to answer one, a
    /// request has to be in the stream before the replies are waited for.
    ///
    /// # Panics
    ///
    /// If `path` is not the path of a URI.
    pub fn bidi<Req, NE, Reply, DE>(service: S, path: &'static str, encode: N, decode: D) -> Self
    where
        N: Fn(Req) -> Result<M, NE>,
        D: Fn(R) -> Result<Reply, DE>,
    {
        Self::of(service, path, encode, decode)
    }
}

impl<S, M, R, N, D, K> Client<S, M, R, N, D, NoMetadata, K> {
    fn of(service: S, path: &'static str, encode: N, decode: D) -> Self {
        let uri = Uri::from(PathAndQuery::from_static(path));
        let options = Options::default();
        let metadata: NoMetadata = |_, _| {};
        Self { service, uri, encode, decode, metadata, hook: (), options, messages: PhantomData }
    }
}

impl<S, M, R, N, D, P, K, H> Client<S, M, R, N, D, P, K, H> {
    /// Writes metadata of each call with `metadata`, from what the request
    /// carries. The kit's own headers join it and overwrite nothing, but the
    /// deadline, which can only shrink. Values of `-bin` keys are to be base64.
    pub fn metadata<Q>(self, metadata: Q) -> Client<S, M, R, N, D, Q, K, H>
    where
        Q: Fn(&Extensions, &mut HeaderMap),
    {
        let Self { service, uri, encode, decode, hook, options, messages, .. } = self;
        Client { service, uri, encode, decode, metadata, hook, options, messages }
    }

    /// Calls `f` with the head of each request, before it is sent.
    pub fn before<F>(self, f: F) -> Client<S, M, R, N, D, P, K, (H, Before<F>)>
    where
        F: Fn(&Call<'_>, &mut Extensions) + Clone,
    {
        self.hook(Before(f))
    }

    /// Calls `f` with the headers of each reply, also of a failure, before its
    /// messages are read. Those of a failure that was answered without a
    /// message are its trailers too.
    pub fn after<F>(self, f: F) -> Client<S, M, R, N, D, P, K, (H, After<F>)>
    where
        F: Fn(&mut HeaderMap) + Clone,
    {
        self.hook(After(f))
    }

    /// Calls `f` once each call has ended, however it ended.
    pub fn finally<F>(self, f: F) -> Client<S, M, R, N, D, P, K, (H, Finally<F>)>
    where
        F: Fn(&End) + Clone,
    {
        self.hook(Finally(f))
    }

    /// Adds a hook. Hooks see requests in the order in which they were added,
    /// and replies in the reverse one.
    pub fn hook<G>(self, hook: G) -> Client<S, M, R, N, D, P, K, (H, G)> {
        let Self { service, uri, encode, decode, metadata, hook: first, options, messages } = self;
        let hook = (first, hook);
        Client { service, uri, encode, decode, metadata, hook, options, messages }
    }

    /// Puts the scheme and the authority of `origin` into each request: for a
    /// service that is not bound to a place, as a `Channel` is.
    ///
    /// # Errors
    ///
    /// Fails if `origin` has no scheme or no authority.
    pub fn origin(mut self, origin: Uri) -> Result<Self, http::Error> {
        let origin = origin.into_parts();
        let mut uri = self.uri.into_parts();
        uri.scheme = origin.scheme;
        uri.authority = origin.authority;
        self.uri = Uri::from_parts(uri)?;
        Ok(self)
    }

    /// Takes messages of up to `bytes`, before any decompression, and of up
    /// to as many after it; a larger one is
    /// [`Kind::PayloadTooLarge`](kit_endpoint::Kind). 4 MiB by default, which
    /// is tonic's and gRPC's.
    #[must_use]
    pub const fn max_decoding_message_size(mut self, bytes: usize) -> Self {
        self.options.max_decoding = Some(bytes);
        self
    }

    /// Sends messages of up to `bytes`, before any compression; a larger one
    /// fails the call, unsent. Without a limit by default.
    #[must_use]
    pub const fn max_encoding_message_size(mut self, bytes: usize) -> Self {
        self.options.max_encoding = Some(bytes);
        self
    }

    /// Compresses what is sent. The other side has to know the encoding, or
    /// answers `UNIMPLEMENTED`. By default nothing is compressed.
    #[must_use]
    pub const fn send_compressed(mut self, encoding: CompressionEncoding) -> Self {
        self.options.send = Some(encoding);
        self
    }

    /// Lets the other side compress what it sends. By default it may not.
    #[must_use]
    pub fn accept_compressed(mut self, encoding: CompressionEncoding) -> Self {
        self.options.accept(encoding);
        self
    }

    /// Returns the service that carries the calls.
    pub const fn get_ref(&self) -> &S {
        &self.service
    }
}

impl<S, M, R, N, D, P, K, H> Client<S, M, R, N, D, P, K, H> {
    /// The body of a call with one message.
    fn once<Req, NE>(
        &self,
        message: Req,
        deadline: Option<Instant>,
        traffic: Option<Traffic>,
    ) -> Result<Body, CallError>
    where
        M: Message + 'static,
        N: Fn(Req) -> Result<M, NE>,
        NE: Fault,
    {
        in_time(deadline)?;
        let message = (self.encode)(message).map_err(|fault| CallError::Encode(Box::new(fault)))?;
        self.options.check(&message).map_err(|large| CallError::Encode(Box::new(large)))?;
        Ok(self.body(tokio_stream::once(Ok(message)), traffic))
    }

    /// The body of a call with many messages.
    fn stream<St, Req, E, NE>(
        &self,
        messages: St,
        deadline: Option<Instant>,
        traffic: Option<Traffic>,
    ) -> Result<(Body, Waiting), CallError>
    where
        St: Stream<Item = Result<Req, E>> + Send + 'static,
        E: Fault,
        M: Message + 'static,
        N: Fn(Req) -> Result<M, NE> + Clone + Send + 'static,
        NE: Fault,
    {
        in_time(deadline)?;
        let (outgoing, waiting) =
            Outgoing::new(messages, self.encode.clone(), self.options.clone());
        Ok((self.body(outgoing, traffic), waiting))
    }

    fn body<St>(&self, messages: St, traffic: Option<Traffic>) -> Body
    where
        St: Stream<Item = Result<M, Status>> + Send + 'static,
        M: Message + 'static,
    {
        let encoder = ProstCodec::<M, ()>::default().encoder();
        let body = EncodeBody::new_client(encoder, messages, self.options.send, None);
        Body::new(Counted::new(body, traffic))
    }

    /// Begins a call: its metadata, who watches it, and who hears of what comes
    /// beside the reply.
    fn begin(&self, extensions: &mut Extensions) -> Begun<H::Observer>
    where
        P: Fn(&Extensions, &mut HeaderMap),
        H: Hook,
    {
        // Another call's, or only this one's: a server in this process must
        // take neither for its own.
        extensions.remove::<ReplyMetadata>();
        let received = extensions.remove::<ReceivedMetadata>();
        let mut headers = HeaderMap::new();
        (self.metadata)(extensions, &mut headers);
        let path = self.uri.path();
        let call = Call::new(Protocol::Grpc, path.strip_prefix('/').unwrap_or(path), &headers);
        let watch = Watching::new(self.hook.before(&call, extensions));
        let opening = self.options.opening(received, watch.traffic());
        Begun { headers, watch, opening }
    }

    fn prepare(
        &self,
        body: Body,
        mut headers: HeaderMap,
        deadline: Option<Instant>,
        extensions: Extensions,
    ) -> http::Request<Body> {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        self.options.write(&mut headers);
        propagate(&extensions, deadline, &GRPC_TIMEOUT, &mut headers);
        let mut request = http::Request::new(body);
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = headers;
        *request.extensions_mut() = extensions;
        request
    }
}

/// A call that is not sent yet.
struct Begun<O: Observer> {
    headers: HeaderMap,
    watch: Watching<O>,
    opening: Opening,
}

fn in_time(deadline: Option<Instant>) -> Result<(), Expired> {
    match deadline {
        Some(deadline) if deadline <= Instant::now() => Err(Expired::new(false)),
        _ => Ok(()),
    }
}

impl<S, M, R, N, D, P, H, Req, NE, Reply, DE> Service<Request<Req>>
    for Client<S, M, R, N, D, P, Unary, H>
where
    S: GrpcService<Body, ResponseBody: HttpBody<Error: Into<BoxError>> + Send + 'static>,
    M: Message + 'static,
    R: Message + Default + 'static,
    N: Fn(Req) -> Result<M, NE>,
    NE: Fault,
    D: Fn(R) -> Result<Reply, DE> + Clone,
    DE: Fault,
    P: Fn(&Extensions, &mut HeaderMap),
    H: Hook,
{
    type Response = Reply;
    type Error = CallError;
    type Future = ResponseFuture<S::Future, R, D, H::Observer>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let ready = ready!(self.service.poll_ready(cx));
        Poll::Ready(ready.map_err(|error| Rejection::transport(error).into()))
    }

    fn call(&mut self, request: Request<Req>) -> Self::Future {
        let (message, deadline, mut extensions) = request.into_parts();
        let Begun { headers, watch, opening } = self.begin(&mut extensions);
        let body = match self.once(message, deadline, watch.traffic()) {
            Ok(body) => body,
            Err(error) => return ResponseFuture::refused(watch, error),
        };
        let reply = self.service.call(self.prepare(body, headers, deadline, extensions));
        ResponseFuture::called(watch, reply, self.decode.clone(), opening, None, deadline)
    }
}

impl<S, M, R, N, D, P, H, Req, NE, Reply, DE> Service<Request<Req>>
    for Client<S, M, R, N, D, P, ServerStreaming, H>
where
    S: GrpcService<Body, ResponseBody: HttpBody<Error: Into<BoxError>> + Send + 'static>,
    M: Message + 'static,
    R: Message + Default + 'static,
    N: Fn(Req) -> Result<M, NE>,
    NE: Fault,
    D: Fn(R) -> Result<Reply, DE> + Clone,
    DE: Fault,
    P: Fn(&Extensions, &mut HeaderMap),
    H: Hook,
{
    type Response = Replies<R, D, H::Observer>;
    type Error = CallError;
    type Future = StreamFuture<S::Future, R, D, H::Observer>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let ready = ready!(self.service.poll_ready(cx));
        Poll::Ready(ready.map_err(|error| Rejection::transport(error).into()))
    }

    fn call(&mut self, request: Request<Req>) -> Self::Future {
        let (message, deadline, mut extensions) = request.into_parts();
        let Begun { headers, watch, opening } = self.begin(&mut extensions);
        let body = match self.once(message, deadline, watch.traffic()) {
            Ok(body) => body,
            Err(error) => return StreamFuture::refused(watch, error),
        };
        let reply = self.service.call(self.prepare(body, headers, deadline, extensions));
        StreamFuture::called(watch, reply, self.decode.clone(), opening, None, deadline)
    }
}

impl<S, M, R, N, D, P, H, St, Req, E, NE, Reply, DE> Service<Request<St>>
    for Client<S, M, R, N, D, P, ClientStreaming, H>
where
    S: GrpcService<Body, ResponseBody: HttpBody<Error: Into<BoxError>> + Send + 'static>,
    M: Message + 'static,
    R: Message + Default + 'static,
    N: Fn(Req) -> Result<M, NE> + Clone + Send + 'static,
    NE: Fault,
    D: Fn(R) -> Result<Reply, DE> + Clone,
    DE: Fault,
    P: Fn(&Extensions, &mut HeaderMap),
    H: Hook,
    St: Stream<Item = Result<Req, E>> + Send + 'static,
    E: Fault,
{
    type Response = Reply;
    type Error = CallError;
    type Future = ResponseFuture<S::Future, R, D, H::Observer>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let ready = ready!(self.service.poll_ready(cx));
        Poll::Ready(ready.map_err(|error| Rejection::transport(error).into()))
    }

    fn call(&mut self, request: Request<St>) -> Self::Future {
        let (message, deadline, mut extensions) = request.into_parts();
        let Begun { headers, watch, opening } = self.begin(&mut extensions);
        let (body, waiting) = match self.stream(message, deadline, watch.traffic()) {
            Ok(body) => body,
            Err(error) => return ResponseFuture::refused(watch, error),
        };
        let reply = self.service.call(self.prepare(body, headers, deadline, extensions));
        ResponseFuture::called(watch, reply, self.decode.clone(), opening, Some(waiting), deadline)
    }
}

impl<S, M, R, N, D, P, H, St, Req, E, NE, Reply, DE> Service<Request<St>>
    for Client<S, M, R, N, D, P, Bidi, H>
where
    S: GrpcService<Body, ResponseBody: HttpBody<Error: Into<BoxError>> + Send + 'static>,
    M: Message + 'static,
    R: Message + Default + 'static,
    N: Fn(Req) -> Result<M, NE> + Clone + Send + 'static,
    NE: Fault,
    D: Fn(R) -> Result<Reply, DE> + Clone,
    DE: Fault,
    P: Fn(&Extensions, &mut HeaderMap),
    H: Hook,
    St: Stream<Item = Result<Req, E>> + Send + 'static,
    E: Fault,
{
    type Response = Replies<R, D, H::Observer>;
    type Error = CallError;
    type Future = StreamFuture<S::Future, R, D, H::Observer>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let ready = ready!(self.service.poll_ready(cx));
        Poll::Ready(ready.map_err(|error| Rejection::transport(error).into()))
    }

    fn call(&mut self, request: Request<St>) -> Self::Future {
        let (message, deadline, mut extensions) = request.into_parts();
        let Begun { headers, watch, opening } = self.begin(&mut extensions);
        let (body, waiting) = match self.stream(message, deadline, watch.traffic()) {
            Ok(body) => body,
            Err(error) => return StreamFuture::refused(watch, error),
        };
        let reply = self.service.call(self.prepare(body, headers, deadline, extensions));
        StreamFuture::called(watch, reply, self.decode.clone(), opening, Some(waiting), deadline)
    }
}

impl<S, M, R, N, D, P, K, H> Clone for Client<S, M, R, N, D, P, K, H>
where
    S: Clone,
    N: Clone,
    D: Clone,
    P: Clone,
    H: Clone,
{
    fn clone(&self) -> Self {
        Self {
            service: self.service.clone(),
            uri: self.uri.clone(),
            encode: self.encode.clone(),
            decode: self.decode.clone(),
            metadata: self.metadata.clone(),
            hook: self.hook.clone(),
            options: self.options.clone(),
            messages: PhantomData,
        }
    }
}

impl<S: fmt::Debug, M, R, N, D, P, K, H: fmt::Debug> fmt::Debug for Client<S, M, R, N, D, P, K, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("service", &self.service)
            .field("uri", &self.uri)
            .field("encode", &format_args!("{}", type_name::<N>()))
            .field("decode", &format_args!("{}", type_name::<D>()))
            .field("hook", &self.hook)
            .finish_non_exhaustive()
    }
}

type NoMetadata = fn(&Extensions, &mut HeaderMap);

type BoxError = Box<dyn Error + Send + Sync>;
