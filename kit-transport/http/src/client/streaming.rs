use super::{
    CallError, Rejection, future::in_time, head::Head, open::OpenFuture, replies::Replies,
};
use crate::stream::ReadItems;
use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, header};
use http_body::Body;
use http_body_util::Full;
use kit_endpoint::{Fault, Request};
use kit_transport::{
    Call, End, Hook, Protocol, Watch,
    deadline::REQUEST_TIMEOUT_MS,
    hook::{After, Before, Finally},
    propagate,
};
use std::{
    any::type_name,
    error, fmt,
    task::{Context, Poll},
};
use tower_service::Service;

/// Calls one method over HTTP that replies with a stream: a service from
/// [`Request`] to [`Replies`], which outlive the call.
///
/// `N` encodes the message, as for a [`Client`](crate::Client), and what travels
/// with it is the same; `R` reads the items: those of the features `json-lines` and
/// `sse`. It also says what the server is asked for by `Accept`, if `N` did not,
/// and a reply of another type is an error. A status that is not 2xx is
/// [`CallError::Rejected`], as is a fault amid the stream.
///
/// The call lasts until the stream has ended: then `finally` is called. A
/// `DeadlineLayer` around it bounds all of it by `.streaming()`.
///
/// ```
/// # #[cfg(feature = "json-lines")] {
/// use http::{Method, Uri};
/// use kit_endpoint::{Expired, Request};
/// use kit_transport_http::{Server, StreamClient, json, json_lines};
/// use tokio_stream::StreamExt;
/// use tower::{ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// // In place of the pool of this crate's feature `client`:
/// let count = service_fn(async |to: Request<u32>| {
///     Ok::<_, Expired>(tokio_stream::iter((0..to.into_message()).map(Ok::<_, Expired>)))
/// });
/// let server = Server::server_streaming(count, json::decode, json_lines::Writer::new());
///
/// let uri = Uri::from_static("http://counter.example/count");
/// let read = json_lines::Replies::<u32>::new();
/// let client = StreamClient::new(server, json::request(Method::POST, uri), read);
/// let replies = client.oneshot(Request::new(3)).await.unwrap();
/// assert_eq!(replies.collect::<Result<Vec<_>, _>>().await.unwrap(), [0, 1, 2]);
/// # }
/// # }
/// ```
#[derive(Clone)]
pub struct StreamClient<S, N, R, H = ()> {
    service: S,
    encode: N,
    read: R,
    hook: H,
    limit: usize,
    route: Option<&'static str>,
    timeout: HeaderName,
}

// ===== impl StreamClient =====

impl<S, N, R> StreamClient<S, N, R> {
    /// Calls over `service`, writing with `encode` and reading items with
    /// `read`.
    pub const fn new(service: S, encode: N, read: R) -> Self {
        let limit = 2 << 20;
        let timeout = REQUEST_TIMEOUT_MS;
        Self { service, encode, read, hook: (), limit, route: None, timeout }
    }
}

impl<S, N, R, H> StreamClient<S, N, R, H> {
    /// Calls `f` with the head of each request, before it is sent.
    pub fn before<F>(self, f: F) -> StreamClient<S, N, R, (H, Before<F>)>
    where
        F: Fn(&Call<'_>, &mut Extensions) + Clone,
    {
        self.hook(Before(f))
    }

    /// Calls `f` with the headers of each reply, also of a failure, before its
    /// body is read.
    pub fn after<F>(self, f: F) -> StreamClient<S, N, R, (H, After<F>)>
    where
        F: Fn(&mut HeaderMap) + Clone,
    {
        self.hook(After(f))
    }

    /// Calls `f` once each call has ended, however it ended: with its stream.
    pub fn finally<F>(self, f: F) -> StreamClient<S, N, R, (H, Finally<F>)>
    where
        F: Fn(&End) + Clone,
    {
        self.hook(Finally(f))
    }

    /// Adds a hook. Hooks see requests in the order in which they were added,
    /// and replies in the reverse one.
    pub fn hook<G>(self, hook: G) -> StreamClient<S, N, R, (H, G)> {
        let Self { service, encode, read, hook: first, limit, route, timeout } = self;
        StreamClient { service, encode, read, hook: (first, hook), limit, route, timeout }
    }

    /// Tells hooks the template of the route that is called (`"/users/{id}"`):
    /// metrics and logs must not have raw paths.
    #[must_use]
    pub const fn route(mut self, template: &'static str) -> Self {
        self.route = Some(template);
        self
    }

    /// Writes the time that is left into `header`, in milliseconds, or as gRPC
    /// does if it is `grpc-timeout`. `x-request-timeout-ms` by default.
    #[must_use]
    pub fn timeout_header(mut self, header: HeaderName) -> Self {
        self.timeout = header;
        self
    }

    /// Reads what a failure says if that has up to `bytes`: a larger one is known
    /// by its head alone. 2 MiB by default. A stream has no limit, only its
    /// items have one: see `R`.
    #[must_use]
    pub const fn failure_limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }
}

impl<S, B, N, R, H, T, I, NE> Service<Request<T>> for StreamClient<S, N, R, H>
where
    S: Service<http::Request<Full<Bytes>>, Response = http::Response<B>>,
    S::Error: Into<Box<dyn error::Error + Send + Sync>>,
    B: Body<Error: Into<Box<dyn error::Error + Send + Sync>>>,
    N: Fn(&T) -> Result<http::Request<Bytes>, NE>,
    NE: Fault,
    R: ReadItems<Item = Result<I, Rejection>>,
    H: Hook,
{
    type Response = Replies<B, R, H::Observer>;
    type Error = CallError;
    type Future = OpenFuture<S::Future, B, R, H::Observer>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx).map_err(|error| CallError::unsent(error.into()))
    }

    fn call(&mut self, request: Request<T>) -> Self::Future {
        let (message, deadline, mut extensions) = request.into_parts();
        let encoded = (self.encode)(&message);
        let none = HeaderMap::new();
        let (method, headers) = match &encoded {
            Ok(outgoing) => (outgoing.method().as_str(), outgoing.headers()),
            Err(_) => ("", &none),
        };
        let call = Call::new(Protocol::Http, method, headers).route(self.route);
        let watch = Watch::new(self.hook.before(&call, &mut extensions));
        let encoded = encoded.map_err(|fault| CallError::Encode(Box::new(fault)));
        let head = match encoded.and_then(|outgoing| in_time(deadline).map(|()| outgoing)) {
            Ok(mut outgoing) => {
                propagate(&extensions, deadline, &self.timeout, outgoing.headers_mut());
                outgoing.extensions_mut().extend(extensions);
                let accept = HeaderValue::from_static(self.read.accept());
                outgoing.headers_mut().entry(header::ACCEPT).or_insert(accept);
                let sent = outgoing.body().len() as u64;
                Head::sent(self.service.call(outgoing.map(Full::new)), sent, self.limit)
            }
            Err(error) => Head::failed(error),
        };
        OpenFuture::new(watch, self.read.clone(), head)
    }
}

impl<S: fmt::Debug, N, R: fmt::Debug, H: fmt::Debug> fmt::Debug for StreamClient<S, N, R, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamClient")
            .field("service", &self.service)
            .field("encode", &format_args!("{}", type_name::<N>()))
            .field("read", &self.read)
            .field("hook", &self.hook)
            .field("route", &self.route)
            .finish_non_exhaustive()
    }
}
