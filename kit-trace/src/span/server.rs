use super::{
    Errors, Shown, SpanBody, SpanFuture, Trust,
    end::Ongoing,
    message::{self, Protocol, Query},
    scope::{Opens, Scope, Verdict},
};
use crate::{
    Ids, Sampling, TraceContext, bridge,
    propagation::{Baggage, BaggageLimits, Propagate, W3c},
};
use http::{Request, Response, header};
use http_body::Body;
use kit_endpoint::Peer;
use std::{
    sync::Arc,
    task::{Context, Poll},
};
use tower_layer::Layer;
use tower_service::Service;
use tracing::{Span, field::Empty};

/// Opens a span for each request that is served, and puts its
/// [`TraceContext`](crate::TraceContext) into the
/// request's extensions.
///
/// Where it goes: outside of everything that should be seen in the span, right inside
/// the accept loop. It must be outside of a hook (`SpanHook`, of the feature `hook`).
#[derive(Debug, Clone)]
pub struct ServerSpanLayer<P = W3c, R = Shown> {
    options: Arc<Options<P>>,
    errors: R,
}

/// The service of a [`ServerSpanLayer`].
#[derive(Debug, Clone)]
pub struct ServerSpan<S, P = W3c, R = Shown> {
    inner: S,
    options: Arc<Options<P>>,
    errors: R,
}

#[derive(Debug, Clone)]
struct Options<P> {
    propagator: P,
    trust: Trust,
    opens: Opens,
    baggage: Option<BaggageLimits>,
    user_agent: bool,
}

/// Names the template of the route in the span that is open, which must be a server's:
/// for routers that know it, as axum's `MatchedPath`. `kit_trace::hook` does it for
/// kit's transports.
///
/// ```
/// use axum::{Router, extract::{MatchedPath, Request}, middleware::{Next, from_fn}, routing::get};
/// use kit_trace::span::{ServerSpanLayer, route};
///
/// async fn named(path: MatchedPath, request: Request, next: Next) -> axum::response::Response {
///     route(request.method(), path.as_str());
///     next.run(request).await
/// }
///
/// let app: Router = Router::new()
///     .route("/users/{id}", get(async || "Ada"))
///     .route_layer(from_fn(named))
///     .layer(ServerSpanLayer::new());
/// ```
pub fn route(method: &http::Method, template: &str) {
    routed(&Span::current(), method.as_str(), template);
}

pub(crate) fn routed(span: &Span, method: &str, template: &str) {
    if span.has_field("http.route") {
        let known = http::Method::from_bytes(method.as_bytes());
        let method = message::named(known.as_ref().map_or("_OTHER", message::method));
        span.record("http.route", template);
        let name = format!("{method} {template}");
        span.record("otel.name", &*name);
        bridge::rename(span, name);
    }
}

// ===== impl ServerSpanLayer =====

impl ServerSpanLayer {
    /// Reads W3C's headers, and believes everyone.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Default for ServerSpanLayer {
    fn default() -> Self {
        let options = Options {
            propagator: W3c,
            trust: Trust::all(),
            opens: Opens::new(),
            baggage: None,
            user_agent: false,
        };
        Self { options: Arc::new(options), errors: Shown }
    }
}

impl<P: Clone, R> ServerSpanLayer<P, R> {
    /// Reads the context by `propagator`: [`W3c`] by default.
    pub fn propagator<Q: Propagate>(self, propagator: Q) -> ServerSpanLayer<Q, R> {
        let Options { trust, opens, baggage, user_agent, .. } = Arc::unwrap_or_clone(self.options);
        let options = Options { propagator, trust, opens, baggage, user_agent };
        ServerSpanLayer { options: Arc::new(options), errors: self.errors }
    }

    /// Believes whom `trust` does: everyone by default.
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        Arc::make_mut(&mut self.options).trust = trust;
        self
    }

    /// Opens spans only for what `sampling` records, and decides that first: what is
    /// not recorded costs next to nothing, and is in no span of a log line either. Its
    /// context goes on, with the flag that says so. By default each request has a span,
    /// and OpenTelemetry decides what becomes of it.
    #[must_use]
    pub fn sampling(mut self, sampling: Sampling) -> Self {
        Arc::make_mut(&mut self.options).opens.sampling = Some(sampling);
        self
    }

    /// Makes ids by `ids`, where OpenTelemetry does not: [`Ids::new`] by default.
    #[must_use]
    pub fn ids(mut self, ids: Ids) -> Self {
        Arc::make_mut(&mut self.options).opens.ids = ids;
        self
    }

    /// Reads [`Baggage`] into the extensions, of those who are believed. It is not read
    /// by default.
    #[must_use]
    pub fn baggage(mut self, limits: BaggageLimits) -> Self {
        Arc::make_mut(&mut self.options).baggage = Some(limits);
        self
    }

    /// Records `user_agent.original`. It is not recorded by default: it is long, and
    /// tells of a person.
    #[must_use]
    pub fn user_agent(mut self, records: bool) -> Self {
        Arc::make_mut(&mut self.options).user_agent = records;
        self
    }

    /// Opens spans or not, decided while the program starts. The context goes on in
    /// either case.
    #[must_use]
    pub fn enabled(mut self, opens: bool) -> Self {
        Arc::make_mut(&mut self.options).opens.enabled = opens;
        self
    }

    /// Records errors of the service and of bodies by `errors`: [`Shown`] by default.
    pub fn errors<Q>(self, errors: Q) -> ServerSpanLayer<P, Q> {
        ServerSpanLayer { options: self.options, errors }
    }
}

impl<S, P, R: Clone> Layer<S> for ServerSpanLayer<P, R> {
    type Service = ServerSpan<S, P, R>;

    fn layer(&self, inner: S) -> Self::Service {
        let (options, errors) = (Arc::clone(&self.options), self.errors.clone());
        ServerSpan { inner, options, errors }
    }
}

// ===== impl ServerSpan =====

impl<S, P, R, B, T> Service<Request<B>> for ServerSpan<S, P, R>
where
    S: Service<Request<B>, Response = Response<T>>,
    P: Propagate,
    T: Body,
    R: Errors<S::Error> + Errors<T::Error>,
{
    type Response = Response<SpanBody<T, R>>;
    type Error = S::Error;
    type Future = SpanFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let scope = self.options.begin(&mut request);
        let errors = Some(self.errors.clone());
        let Scope::Open(ongoing) = &scope else {
            // A future is large, so it is made where it stays: the guard borrows nothing.
            let _in = scope.enter_apart();
            return SpanFuture { reply: self.inner.call(request), scope, errors };
        };
        let entered = ongoing.enter();
        let reply = self.inner.call(request);
        drop(entered);
        SpanFuture { reply, scope, errors }
    }
}

impl<P: Propagate> Options<P> {
    fn begin<B>(&self, request: &mut Request<B>) -> Scope {
        let came = self.propagator.extract(request.headers());
        let carries = came.is_some() || self.baggage.is_some();
        let believed = carries && self.trust.believes(request.extensions());
        if believed
            && let Some(limits) = self.baggage
            && let Some(baggage) = Baggage::extract(request.headers(), limits)
        {
            request.extensions_mut().insert(baggage);
        }
        let (parent, link) = if believed { (came, None) } else { (None, came) };
        match self.opens.verdict(parent.as_ref()) {
            Verdict::Off => pass(request, parent),
            Verdict::LeftOut(context) => {
                let scope = Scope::left_out(&context);
                request.extensions_mut().insert(context);
                scope
            }
            Verdict::Open(decided) => {
                let protocol = Protocol::of(request.headers());
                let span = self.open(request, protocol);
                if span.is_disabled() {
                    return pass(request, parent);
                }
                let (parent, link, ids) = (parent.as_ref(), link.as_ref(), &self.opens.ids);
                let context = bridge::begin(&span, parent, link, ids, decided);
                Scope::Open(opened(request, span, context, protocol))
            }
        }
    }

    fn open<B>(&self, request: &Request<B>, protocol: Protocol) -> Span {
        let (uri, headers) = (request.uri(), request.headers());
        let span = match protocol {
            Protocol::Http => http_span(request),
            Protocol::Grpc => grpc_span(request),
        };
        if span.is_disabled() {
            return span;
        }
        if let Some(authority) = message::authority(uri, headers) {
            span.record("server.address", authority.host());
            span.record("server.port", i64::from(message::port(&authority, uri)));
        }
        if let Some(Peer::Ip(addr)) = request.extensions().get::<Peer>() {
            let ip = tracing::field::display(addr.ip());
            span.record("client.address", &ip);
            span.record("network.peer.address", &ip);
            span.record("network.peer.port", i64::from(addr.port()));
        }
        if self.user_agent
            && let Some(agent) = headers.get(header::USER_AGENT).and_then(|it| it.to_str().ok())
        {
            span.record("user_agent.original", agent);
        }
        span
    }
}

/// What came goes on as it came.
fn pass<B>(request: &mut Request<B>, parent: Option<TraceContext>) -> Scope {
    if let Some(parent) = parent {
        request.extensions_mut().insert(parent);
    }
    Scope::Nothing
}

fn opened<B>(
    request: &mut Request<B>,
    span: Span,
    context: TraceContext,
    protocol: Protocol,
) -> Ongoing {
    request.extensions_mut().insert(context);
    #[cfg(feature = "hook")]
    let told = {
        let open = Arc::new(super::Open::new(span.clone()));
        request.extensions_mut().insert(Arc::clone(&open));
        Some(open)
    };
    #[cfg(not(feature = "hook"))]
    let told = None;
    Ongoing::new(span, protocol, false, told)
}

fn http_span<B>(request: &Request<B>) -> Span {
    let span = tracing::info_span!(
        parent: None,
        "server",
        "otel.name" = message::named(message::method(request.method())),
        "otel.kind" = "server",
        "otel.status_code" = Empty,
        "otel.status_description" = Empty,
        "http.request.method" = message::method(request.method()),
        "http.request.method_original" = Empty,
        "url.scheme" = message::scheme(request.uri()),
        "url.path" = request.uri().path(),
        "url.query" = Empty,
        "http.route" = Empty,
        "http.response.status_code" = Empty,
        "network.protocol.version" = message::version(request.version()),
        "network.peer.address" = Empty,
        "network.peer.port" = Empty,
        "server.address" = Empty,
        "server.port" = Empty,
        "client.address" = Empty,
        "user_agent.original" = Empty,
        "error.type" = Empty,
        trace_id = Empty,
        span_id = Empty,
    );
    if !span.is_disabled() {
        if message::method(request.method()) == "_OTHER" {
            span.record("http.request.method_original", request.method().as_str());
        }
        if let Some(query) = request.uri().query() {
            span.record("url.query", tracing::field::display(Query(query)));
        }
    }
    span
}

fn grpc_span<B>(request: &Request<B>) -> Span {
    let path = request.uri().path();
    let method = path.strip_prefix('/').unwrap_or(path);
    tracing::info_span!(
        parent: None,
        "server",
        "otel.name" = method,
        "otel.kind" = "server",
        "otel.status_code" = Empty,
        "otel.status_description" = Empty,
        "rpc.system.name" = "grpc",
        "rpc.method" = method,
        "rpc.response.status_code" = Empty,
        "network.peer.address" = Empty,
        "network.peer.port" = Empty,
        "server.address" = Empty,
        "server.port" = Empty,
        "client.address" = Empty,
        "user_agent.original" = Empty,
        "error.type" = Empty,
        trace_id = Empty,
        span_id = Empty,
    )
}
