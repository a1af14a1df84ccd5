use super::{
    Errors, Shown, SpanBody, SpanFuture,
    end::Ongoing,
    message::{self, Protocol, Url},
    scope::{self, Opens, Scope, Verdict},
};
use crate::{
    Ids, Sampling, TraceContext, bridge,
    propagation::{Baggage, Propagate, W3c},
};
use http::{Request, Response, uri::Authority};
use http_body::Body;
use kit_endpoint::Resent;
use std::{
    sync::Arc,
    task::{Context, Poll},
};
use tower_layer::Layer;
use tower_service::Service;
use tracing::{Span, field::Empty};

/// Opens a span for each request that is sent, and writes its context into the headers.
///
/// The parent is the [`TraceContext`] among the request's extensions, where kit's
/// clients and `Request::with` put it; without one the span that is open, where
/// OpenTelemetry has it; without that, a trace begins. Headers that are there stay.
/// [`Baggage`] among the extensions goes along.
///
/// Where it goes: inside of what retries, so that each try has its span, around the pool
/// or the channel.
#[derive(Debug, Clone)]
pub struct ClientSpanLayer<P = W3c, R = Shown> {
    options: Arc<Options<P>>,
    errors: R,
}

/// The service of a [`ClientSpanLayer`].
#[derive(Debug, Clone)]
pub struct ClientSpan<S, P = W3c, R = Shown> {
    inner: S,
    options: Arc<Options<P>>,
    errors: R,
}

#[derive(Debug, Clone)]
struct Options<P> {
    propagator: P,
    opens: Opens,
    server: Option<Authority>,
}

// ===== impl ClientSpanLayer =====

impl ClientSpanLayer {
    /// Writes W3C's headers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Default for ClientSpanLayer {
    fn default() -> Self {
        let options = Options { propagator: W3c, opens: Opens::new(), server: None };
        Self { options: Arc::new(options), errors: Shown }
    }
}

impl<P: Clone, R> ClientSpanLayer<P, R> {
    /// Writes the context by `propagator`: [`W3c`] by default.
    pub fn propagator<Q: Propagate>(self, propagator: Q) -> ClientSpanLayer<Q, R> {
        let Options { opens, server, .. } = Arc::unwrap_or_clone(self.options);
        let options = Arc::new(Options { propagator, opens, server });
        ClientSpanLayer { options, errors: self.errors }
    }

    /// Opens spans only for what `sampling` records, and decides that first; by default
    /// each request has a span, and OpenTelemetry decides what becomes of it. What is
    /// called on behalf of a request that its server left out has none in either case.
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

    /// Says who is called (`server.address`, `server.port`), where requests do not: a
    /// channel of tonic adds it further inside.
    #[must_use]
    pub fn server(mut self, server: Authority) -> Self {
        Arc::make_mut(&mut self.options).server = Some(server);
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
    pub fn errors<Q>(self, errors: Q) -> ClientSpanLayer<P, Q> {
        ClientSpanLayer { options: self.options, errors }
    }
}

impl<S, P, R: Clone> Layer<S> for ClientSpanLayer<P, R> {
    type Service = ClientSpan<S, P, R>;

    fn layer(&self, inner: S) -> Self::Service {
        let (options, errors) = (Arc::clone(&self.options), self.errors.clone());
        ClientSpan { inner, options, errors }
    }
}

// ===== impl ClientSpan =====

impl<S, P, R, B, T> Service<Request<B>> for ClientSpan<S, P, R>
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
        if let Some(baggage) = request.extensions().get::<Baggage>().cloned() {
            baggage.inject(request.headers_mut());
        }
        let parent = request.extensions_mut().remove::<TraceContext>().or_else(scope::left_out);
        match self.opens.verdict(parent.as_ref()) {
            Verdict::Off => self.pass(request, parent.as_ref()),
            Verdict::LeftOut(context) => self.pass(request, Some(&context)),
            Verdict::Open(decided) => {
                let protocol = Protocol::of(request.headers());
                let span = open(request, protocol, self.server.as_ref());
                if span.is_disabled() {
                    return self.pass(request, parent.as_ref());
                }
                let (parent, ids) = (parent.as_ref(), &self.opens.ids);
                let context = bridge::begin(&span, parent, None, ids, decided);
                self.propagator.inject(&context, request.headers_mut());
                request.extensions_mut().insert(context);
                Scope::Open(Ongoing::new(span, protocol, true, None))
            }
        }
    }

    fn pass<B>(&self, request: &mut Request<B>, context: Option<&TraceContext>) -> Scope {
        if let Some(context) = context {
            self.propagator.inject(context, request.headers_mut());
        }
        Scope::Nothing
    }
}

fn open<B>(request: &Request<B>, protocol: Protocol, server: Option<&Authority>) -> Span {
    let span = match protocol {
        Protocol::Http => http_span(request),
        Protocol::Grpc => grpc_span(request),
    };
    if span.is_disabled() {
        return span;
    }
    let told = server.cloned();
    if let Some(authority) = told.or_else(|| message::authority(request.uri(), request.headers())) {
        span.record("server.address", authority.host());
        span.record("server.port", i64::from(message::port(&authority, request.uri())));
    }
    if let Some(Resent(count)) = request.extensions().get::<Resent>()
        && *count > 0
    {
        span.record("http.request.resend_count", i64::from(*count));
    }
    span
}

fn http_span<B>(request: &Request<B>) -> Span {
    let span = tracing::info_span!(
        "client",
        "otel.name" = message::named(message::method(request.method())),
        "otel.kind" = "client",
        "otel.status_code" = Empty,
        "otel.status_description" = Empty,
        "http.request.method" = message::method(request.method()),
        "http.request.method_original" = Empty,
        "http.request.resend_count" = Empty,
        "http.response.status_code" = Empty,
        "url.full" = %Url(request.uri()),
        "server.address" = Empty,
        "server.port" = Empty,
        "error.type" = Empty,
        trace_id = Empty,
        span_id = Empty,
    );
    if message::method(request.method()) == "_OTHER" {
        span.record("http.request.method_original", request.method().as_str());
    }
    span
}

fn grpc_span<B>(request: &Request<B>) -> Span {
    let path = request.uri().path();
    let method = path.strip_prefix('/').unwrap_or(path);
    tracing::info_span!(
        "client",
        "otel.name" = method,
        "otel.kind" = "client",
        "otel.status_code" = Empty,
        "otel.status_description" = Empty,
        "rpc.system.name" = "grpc",
        "rpc.method" = method,
        "rpc.response.status_code" = Empty,
        "server.address" = Empty,
        "server.port" = Empty,
        "error.type" = Empty,
        trace_id = Empty,
        span_id = Empty,
    )
}
