use super::{
    BadUpstream, Forwarded, ProxyBody, ProxyFuture, Unproxied, encode_problem, future::Waiting,
    headers, upstream::Upstream,
};
use crate::{Failure, identity::Identity};
use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Uri, header, request::Parts};
use http_body::Body;
use kit_endpoint::{Carries, Expired, Expires, Peer};
use kit_transport::{
    Call, End, Hook, Protocol, REQUEST_ID, RequestId, Watch,
    deadline::{self, GRPC_TIMEOUT, REQUEST_TIMEOUT_MS},
    hook::{After, Before, Finally},
    propagate,
};
use std::{
    convert::Infallible,
    error, fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;
use tower::util::Oneshot;
use tower_service::Service;

/// Passes requests on to an upstream over `S`: a [`Service`] of
/// `http::Request`s that cannot fail, as a [`Server`](crate::Server) is.
///
/// `S` is any service of `http::Request<Forwarded<B>>` whose URI says where to:
/// a `Pool` of the feature `client`, with layers around it or not. `H` watches,
/// and `X` encodes what has no reply. See the [module](super) for what goes on
/// and what does not.
///
/// It is always ready, and takes a clone of `S` for each request.
#[derive(Clone)]
pub struct Proxy<S, H = (), X = fn(&Failure<'_>) -> http::Response<Bytes>> {
    service: S,
    hook: H,
    encode_error: X,
    upstream: Arc<Upstream>,
    options: Options,
}

#[derive(Clone)]
struct Options {
    route: Option<&'static str>,
    proto: &'static str,
    trusting: bool,
    limit: Duration,
    timeout: HeaderName,
}

// ===== impl Proxy =====

impl<S> Proxy<S> {
    /// Passes requests on to `upstream`, `http://HOST:PORT/BASE` or `https://`,
    /// over `service`.
    ///
    /// It waits 60 s for a reply to begin; what has none is answered by
    /// [`encode_problem`](super::encode_problem).
    ///
    /// # Errors
    ///
    /// Fails if `upstream` is of another form, or names a user.
    pub fn new(upstream: Uri, service: S) -> Result<Self, BadUpstream> {
        let upstream = Arc::new(Upstream::new(upstream)?);
        let options = Options {
            route: None,
            proto: "http",
            trusting: false,
            limit: Duration::from_mins(1),
            timeout: REQUEST_TIMEOUT_MS,
        };
        Ok(Self { service, hook: (), encode_error: encode_problem, upstream, options })
    }
}

impl<S, H, X> Proxy<S, H, X> {
    /// Calls `f` with the head of each request, before it goes on.
    pub fn before<F>(self, f: F) -> Proxy<S, (H, Before<F>), X>
    where
        F: Fn(&Call<'_>, &mut Extensions) + Clone,
    {
        self.hook(Before(f))
    }

    /// Calls `f` with the headers of each reply, also of a failure.
    pub fn after<F>(self, f: F) -> Proxy<S, (H, After<F>), X>
    where
        F: Fn(&mut HeaderMap) + Clone,
    {
        self.hook(After(f))
    }

    /// Calls `f` once each request has ended, however it ended.
    pub fn finally<F>(self, f: F) -> Proxy<S, (H, Finally<F>), X>
    where
        F: Fn(&End) + Clone,
    {
        self.hook(Finally(f))
    }

    /// Adds a hook. Hooks see requests in the order in which they were added,
    /// and replies in the reverse one.
    pub fn hook<G>(self, hook: G) -> Proxy<S, (H, G), X> {
        let Self { service, hook: first, encode_error, upstream, options } = self;
        Proxy { service, hook: (first, hook), encode_error, upstream, options }
    }

    /// Encodes with `f` what has no reply of the upstream: its fault is an
    /// [`Unproxied`].
    pub fn encode_error<F>(self, f: F) -> Proxy<S, H, F>
    where
        F: Fn(&Failure<'_>) -> http::Response<Bytes>,
    {
        let Self { service, hook, upstream, options, .. } = self;
        Proxy { service, hook, encode_error: f, upstream, options }
    }

    /// Tells hooks the template of the route on which this is mounted
    /// (`"/users/{id}"`): metrics and logs must not have raw paths.
    #[must_use]
    pub const fn route(mut self, template: &'static str) -> Self {
        self.options.route = Some(template);
        self
    }

    /// Says how callers come here, for `X-Forwarded-Proto`: `"http"` by default,
    /// `"https"` behind TLS.
    #[must_use]
    pub const fn proto(mut self, proto: &'static str) -> Self {
        self.options.proto = proto;
        self
    }

    /// Believes what a request says in `Forwarded` and `X-Forwarded-*`, and adds
    /// its peer to `X-Forwarded-For`: for a proxy that only another one can
    /// reach, which keeps strangers from writing them.
    #[must_use]
    pub const fn trusting_forwarded(mut self) -> Self {
        self.options.trusting = true;
        self
    }

    /// Waits at most `limit` for a reply to begin, and no longer than the
    /// request's own deadline; while the request's body goes on, that is not
    /// waiting. 60 s by default (nginx's).
    ///
    /// It ends with the head of the reply: a body may stall for as long as the
    /// connection to the upstream lives, unless the request has a deadline.
    #[must_use]
    pub const fn reply_timeout(mut self, limit: Duration) -> Self {
        self.options.limit = limit;
        self
    }

    /// Reads the time that the caller allows from `header`, in milliseconds, and
    /// writes there what is left; `grpc-timeout` is understood too.
    /// `x-request-timeout-ms` by default.
    #[must_use]
    pub fn timeout_header(mut self, header: HeaderName) -> Self {
        self.options.timeout = header;
        self
    }

    /// Turns the head of a request into that of the one that goes on, and
    /// returns its deadline.
    fn outgoing(&self, mut head: Parts) -> Result<(Parts, Option<Instant>), Unproxied> {
        let timeout = deadline::timeout(&head.headers, &self.options.timeout);
        let timeout = timeout.map_err(Unproxied::BadTimeout)?;
        let told = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let known = head.extensions.get::<Expires>().map(|expires| expires.0);
        let deadline = [told, known].into_iter().flatten().min();
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Err(Unproxied::Expired(Expired::new(false)));
        }
        if head.method == Method::CONNECT {
            return Err(Unproxied::Tunnel);
        }
        let asked_host = head.headers.get(header::HOST).cloned().or_else(|| {
            let authority = head.uri.authority()?;
            HeaderValue::from_str(authority.as_str()).ok()
        });
        head.uri = self.upstream.locate(&head.uri)?;
        // The connection to the upstream has a version of its own.
        head.version = http::Version::HTTP_11;
        headers::request_end_to_end(&mut head.headers);
        let peer = head.extensions.get::<Peer>().copied();
        let Options { proto, trusting, .. } = self.options;
        headers::forwarded(&mut head.headers, peer, asked_host, proto, trusting);
        head.headers.insert(header::HOST, self.upstream.host.clone());
        if let Some(id) = head.extensions.get::<RequestId>() {
            head.headers.insert(REQUEST_ID, id.header().clone());
        }
        // A call of gRPC has its own header for it, which must shrink as well.
        let grpc = head.headers.contains_key(GRPC_TIMEOUT);
        if grpc {
            propagate(&head.extensions, deadline, &GRPC_TIMEOUT, &mut head.headers);
        }
        if !grpc || head.headers.contains_key(&self.options.timeout) {
            propagate(&head.extensions, deadline, &self.options.timeout, &mut head.headers);
        }
        Ok((head, deadline))
    }
}

impl<S, B, B2, H, X> Service<http::Request<B>> for Proxy<S, H, X>
where
    S: Service<http::Request<Forwarded<B>>, Response = http::Response<B2>> + Clone,
    S::Error: Into<Box<dyn error::Error + Send + Sync>>,
    B: Body<Error: Into<Box<dyn error::Error + Send + Sync>>>,
    B2: Body<Data = Bytes, Error: Into<Box<dyn error::Error + Send + Sync>>>,
    H: Hook,
    X: Fn(&Failure<'_>) -> http::Response<Bytes> + Clone,
{
    type Response = http::Response<ProxyBody<B2, H::Observer>>;
    type Error = Infallible;
    type Future = ProxyFuture<S, B, X, H::Observer>;

    /// Always ready: the upstream's readiness is awaited in the future, within
    /// its limits.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        let call = Call::new(Protocol::Http, head.method.as_str(), &head.headers)
            .route(self.options.route)
            .peer(head.extensions.get::<Peer>().copied());
        let watch = Watch::new(self.hook.before(&call, &mut head.extensions));
        let ids = Identity::told(&self.hook, &head.extensions);
        let bodiless = head.method == Method::HEAD;
        let call = self.outgoing(head).map(|(mut head, deadline)| {
            headers::delimit(&mut head, &body);
            let (body, passed) = Forwarded::new(body);
            let mut request = http::Request::from_parts(head, body);
            if let Some(deadline) = deadline {
                request.bring_forward(deadline);
            }
            let waiting = Waiting { passed, seen: 0, limit: self.options.limit, deadline };
            (Oneshot::new(self.service.clone(), request), waiting)
        });
        ProxyFuture::new(watch, self.encode_error.clone(), ids, bodiless, call)
    }
}

impl<S: fmt::Debug, H: fmt::Debug, X> fmt::Debug for Proxy<S, H, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("upstream", &self.upstream)
            .field("service", &self.service)
            .field("hook", &self.hook)
            .field("route", &self.options.route)
            .finish_non_exhaustive()
    }
}
