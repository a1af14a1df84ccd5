use super::{CallError, Rejection, future::ResponseFuture};
use http::{
    Extensions, HeaderMap, HeaderValue, Method, Uri, Version,
    header::{CONTENT_TYPE, TE},
    uri::PathAndQuery,
};
use http_body::Body as HttpBody;
use kit_endpoint::{Expired, Fault, Request};
use kit_transport::{
    REQUEST_ID, RequestId,
    deadline::{GRPC_TIMEOUT, encode_grpc},
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
use tonic::{
    body::Body,
    client::GrpcService,
    codec::{Codec, EncodeBody},
};
use tonic_prost::ProstCodec;
use tower_service::Service;

/// Calls a unary method of another service: an endpoint, whose other side is
/// there.
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
/// # What travels
///
/// What is left of the deadline goes as `grpc-timeout`, and the call is given
/// up when it has passed; one that has passed before is refused, unsent. The
/// request's [`RequestId`] goes as `x-request-id`, unless
/// [`metadata`](Self::metadata) wrote one, and the extensions go into the
/// `http::Request`, for layers around `S`.
///
/// # Readiness
///
/// That of `S`. Dropping the future gives the call up, which resets the stream
/// and so cancels the handler at the other side.
pub struct Client<S, M, R, N, D, P = fn(&Extensions, &mut HeaderMap)> {
    service: S,
    uri: Uri,
    encode: N,
    decode: D,
    metadata: P,
    messages: PhantomData<fn(M) -> R>,
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
        let uri = Uri::from(PathAndQuery::from_static(path));
        Self { service, uri, encode, decode, metadata: |_, _| {}, messages: PhantomData }
    }
}

impl<S, M, R, N, D, P> Client<S, M, R, N, D, P> {
    /// Writes metadata of each call with `metadata`, from what the request
    /// carries. The kit's own headers join it and overwrite nothing, but the
    /// deadline, which can only shrink. Values of `-bin` keys are to be base64.
    pub fn metadata<Q>(self, metadata: Q) -> Client<S, M, R, N, D, Q>
    where
        Q: Fn(&Extensions, &mut HeaderMap),
    {
        let Self { service, uri, encode, decode, messages, .. } = self;
        Client { service, uri, encode, decode, metadata, messages }
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

    /// Returns the service that carries the calls.
    pub const fn get_ref(&self) -> &S {
        &self.service
    }
}

impl<S, M, R, N, D, P, Req, NE, Reply, DE> Service<Request<Req>> for Client<S, M, R, N, D, P>
where
    S: GrpcService<Body, ResponseBody: HttpBody<Error: Into<BoxError>> + Send + 'static>,
    M: Message + 'static,
    R: Message + Default + 'static,
    N: Fn(Req) -> Result<M, NE>,
    NE: Fault,
    D: Fn(R) -> Result<Reply, DE> + Clone,
    DE: Fault,
    P: Fn(&Extensions, &mut HeaderMap),
{
    type Response = Reply;
    type Error = CallError;
    type Future = ResponseFuture<S::Future, R, D>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let ready = ready!(self.service.poll_ready(cx));
        Poll::Ready(ready.map_err(|error| Rejection::transport(error).into()))
    }

    fn call(&mut self, request: Request<Req>) -> Self::Future {
        let (message, deadline, extensions) = request.into_parts();
        let timeout = match deadline.map(|at| at.checked_duration_since(Instant::now())) {
            Some(None) => return ResponseFuture::refused(Expired::new(false).into()),
            Some(Some(left)) if left.is_zero() => {
                return ResponseFuture::refused(Expired::new(false).into());
            }
            Some(left) => left,
            None => None,
        };
        let message = match (self.encode)(message) {
            Ok(message) => message,
            Err(fault) => return ResponseFuture::refused(CallError::Encode(Box::new(fault))),
        };
        let source = tokio_stream::once(Ok(message));
        let encoder = ProstCodec::<M, R>::default().encoder();
        let body = Body::new(EncodeBody::new_client(encoder, source, None, None));

        let mut request = http::Request::new(body);
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        (self.metadata)(&extensions, headers);
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        if let Some(id) = extensions.get::<RequestId>()
            && !headers.contains_key(REQUEST_ID)
        {
            headers.insert(REQUEST_ID, id.header().clone());
        }
        if let Some(timeout) = timeout {
            headers.insert(GRPC_TIMEOUT, encode_grpc(timeout));
        }
        *request.extensions_mut() = extensions;
        ResponseFuture::called(self.service.call(request), self.decode.clone(), deadline)
    }
}

impl<S, M, R, N, D, P> Clone for Client<S, M, R, N, D, P>
where
    S: Clone,
    N: Clone,
    D: Clone,
    P: Clone,
{
    fn clone(&self) -> Self {
        Self {
            service: self.service.clone(),
            uri: self.uri.clone(),
            encode: self.encode.clone(),
            decode: self.decode.clone(),
            metadata: self.metadata.clone(),
            messages: PhantomData,
        }
    }
}

impl<S: fmt::Debug, M, R, N, D, P> fmt::Debug for Client<S, M, R, N, D, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("service", &self.service)
            .field("uri", &self.uri)
            .field("encode", &format_args!("{}", type_name::<N>()))
            .field("decode", &format_args!("{}", type_name::<D>()))
            .finish_non_exhaustive()
    }
}

type BoxError = Box<dyn Error + Send + Sync>;
