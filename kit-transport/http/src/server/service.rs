use super::ResponseFuture;
use crate::{DecodeError, Failure, encode_problem};
use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderName, Method};
use http_body::Body;
use http_body_util::{BodyExt, Full, Limited, combinators::Collect};
use kit_endpoint::{Endpoint, Fault, Peer};
use kit_transport::{
    Call, End, Hook, Observer, Protocol, RequestId, Watch, Watched,
    deadline::{self, REQUEST_TIMEOUT_MS},
    hook::{After, Before, Finally},
};
use std::{
    any::type_name,
    convert::Infallible,
    error, fmt,
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
#[derive(Clone)]
pub struct Server<E, D, N, H = (), X = fn(&Failure<'_>) -> http::Response<Bytes>> {
    endpoint: E,
    decode: D,
    encode: N,
    hook: H,
    encode_error: X,
    options: Options,
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
        let options = Options {
            limit: 2 << 20,
            reads: true,
            read_limit: Duration::from_secs(30),
            route: None,
            timeout: None,
        };
        Self { endpoint, decode, encode, hook: (), encode_error: encode_problem, options }
    }
}

impl<E, D, N, H, X> Server<E, D, N, H, X> {
    /// Calls `f` with the head of each request, before it is decoded.
    pub fn before<F>(self, f: F) -> Server<E, D, N, (H, Before<F>), X>
    where
        F: Fn(&Call<'_>, &mut Extensions) + Clone,
    {
        self.hook(Before(f))
    }

    /// Calls `f` with the headers of each reply, also of a failure.
    pub fn after<F>(self, f: F) -> Server<E, D, N, (H, After<F>), X>
    where
        F: Fn(&mut HeaderMap) + Clone,
    {
        self.hook(After(f))
    }

    /// Calls `f` once each request has ended, however it ended.
    pub fn finally<F>(self, f: F) -> Server<E, D, N, (H, Finally<F>), X>
    where
        F: Fn(&End) + Clone,
    {
        self.hook(Finally(f))
    }

    /// Adds a hook. Hooks see requests in the order in which they were added,
    /// and replies in the reverse one.
    pub fn hook<G>(self, hook: G) -> Server<E, D, N, (H, G), X> {
        let Self { endpoint, decode, encode, hook: first, encode_error, options } = self;
        Server { endpoint, decode, encode, hook: (first, hook), encode_error, options }
    }

    /// Encodes failures with `f`.
    pub fn encode_error<F>(self, f: F) -> Server<E, D, N, H, F>
    where
        F: Fn(&Failure<'_>) -> http::Response<Bytes>,
    {
        let Self { endpoint, decode, encode, hook, options, .. } = self;
        Server { endpoint, decode, encode, hook, encode_error: f, options }
    }

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

    /// Tells hooks the template of the route on which this is mounted
    /// (`"/users/{id}"`): metrics and logs must not have raw paths.
    #[must_use]
    pub const fn route(mut self, template: &'static str) -> Self {
        self.options.route = Some(template);
        self
    }

    /// Reads the time that the caller allows, in milliseconds, from `header`;
    /// `grpc-timeout` is understood too. `x-request-timeout-ms` by default.
    #[must_use]
    pub fn timeout_header(mut self, header: HeaderName) -> Self {
        self.options.timeout = Some(Arc::new(header));
        self
    }
}

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
    type Future = ResponseFuture<Collect<Limited<B>>, E, D, N, H::Observer, X, Req>;

    /// Always ready: a permit taken before the body has come would be held by
    /// the slowest sender. The endpoint's readiness is awaited in the future.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        let call = Call::new(Protocol::Http, head.method.as_str(), &head.headers)
            .route(self.options.route)
            .peer(head.extensions.get::<Peer>().copied());
        let mut watch = Watch::new(self.hook.before(&call, &mut head.extensions));
        if head.method == Method::HEAD {
            watch.bodiless();
        }
        let request_id =
            if H::Observer::SILENT { None } else { head.extensions.get::<RequestId>().cloned() };
        let reply = (self.encode.clone(), self.encode_error.clone());
        let timeout = self.options.timeout.as_deref().unwrap_or(&DEFAULT_TIMEOUT);
        let timeout = match deadline::timeout(&head.headers, timeout) {
            Ok(timeout) => timeout,
            Err(fault) => return ResponseFuture::refused(watch, reply, request_id, &fault),
        };
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let limit = self.options.limit;
        if !self.options.reads || body.is_end_stream() {
            let request = http::Request::from_parts(head, Bytes::new());
            return match (self.decode)(&request) {
                Ok(message) => {
                    let extensions = request.into_parts().0.extensions;
                    let endpoint = self.endpoint.clone();
                    ResponseFuture::called(
                        watch, reply, request_id, endpoint, message, extensions, deadline,
                    )
                }
                Err(fault) => ResponseFuture::refused(watch, reply, request_id, &fault),
            };
        }
        if usize::try_from(body.size_hint().lower()).map_or(true, |length| length > limit) {
            let fault = DecodeError::TooLarge { limit };
            return ResponseFuture::refused(watch, reply, request_id, &fault);
        }
        let body = Limited::new(body, limit).collect();
        let (endpoint, decode) = (self.endpoint.clone(), self.decode.clone());
        let limits = (limit, self.options.read_limit);
        ResponseFuture::reading(
            watch, reply, request_id, head, body, limits, decode, endpoint, deadline,
        )
    }
}

impl<E: fmt::Debug, D, N, H: fmt::Debug, X> fmt::Debug for Server<E, D, N, H, X> {
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
