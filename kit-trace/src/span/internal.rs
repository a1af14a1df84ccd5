use super::{Errors, Faults, errors, scope};
use crate::{Ids, TraceContext, bridge};
use kit_endpoint as kit;
use pin_project_lite::pin_project;
use std::{
    borrow::Cow,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tower_layer::Layer;
use tower_service::Service;
use tracing::{Span, field::Empty};

/// Opens a span for each call of a service: an endpoint, or any step.
///
/// The parent is the [`TraceContext`] among the request's extensions; the span's own
/// takes its place there, so that what is called on behalf of the request is below it.
/// Requests that carry none: [`uncarried`](Self::uncarried).
///
/// ```
/// use kit_endpoint::{Kind, Request};
/// use kit_trace::span::SpanLayer;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let hello = ServiceBuilder::new()
///     .layer(SpanLayer::new("greeting"))
///     .service(service_fn(async |name: Request<&'static str>| Ok::<_, kit_endpoint::Expired>(name.into_message())));
/// assert_eq!(hello.oneshot(Request::new("Ada")).await.unwrap(), "Ada");
/// # }
/// ```
#[derive(Clone)]
pub struct SpanLayer<M, R = Faults, J = AnyReply, W = Carried> {
    make: M,
    errors: R,
    replies: J,
    carries: W,
    ids: Ids,
}

/// The service of a [`SpanLayer`].
#[derive(Clone)]
pub struct SpanService<S, M, R = Faults, J = AnyReply, W = Carried> {
    inner: S,
    layer: SpanLayer<M, R, J, W>,
}

/// Makes the span of a [`SpanLayer`] from the request: a function, or [`Named`].
pub trait MakeSpan<Req>: Clone {
    /// Makes it. What it is called must not depend on earlier requests.
    fn make(&self, request: &Req) -> Span;
}

/// Spans of one name.
#[derive(Debug, Clone, Copy)]
pub struct Named(&'static str);

/// Which replies tell of a failure, though they are no error: business errors, as Go
/// kit's `Failer`.
pub trait Replies<T>: Clone {
    /// Records `reply`, with which the call ends.
    fn record(&self, span: &Span, reply: &T);
}

/// None does.
#[derive(Debug, Clone, Copy, Default)]
pub struct AnyReply;

/// Those of which the function returns what is wrong.
#[derive(Debug, Clone, Copy)]
pub struct Business<F> {
    tell: F,
    is_error: bool,
}

/// Whether a request carries a [`TraceContext`].
pub trait Carries<Req>: Clone {
    /// Returns the span that it belongs to.
    fn parent(&self, request: &Req) -> Option<TraceContext>;

    /// Lets it belong to the span that was opened.
    fn carry(&self, context: TraceContext, request: &mut Req);
}

/// Among its extensions.
#[derive(Debug, Clone, Copy, Default)]
pub struct Carried;

/// It does not: the parent is the span that is open, where OpenTelemetry has it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Uncarried;

pin_project! {
    /// The future of a [`SpanService`].
    pub struct InternalFuture<F, R, J> {
        #[pin]
        reply: F,
        span: Span,
        errors: R,
        replies: J,
        over: bool,
    }

    impl<F, R, J> PinnedDrop for InternalFuture<F, R, J> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if !*this.over && !this.span.is_disabled() && this.span.has_field("error.type") {
                this.span.record("error.type", kit::Kind::Cancelled.name());
            }
        }
    }
}

// ===== impl SpanLayer =====

impl SpanLayer<Named> {
    /// Names each span `name`.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self::by(Named(name))
    }
}

impl<M> SpanLayer<M> {
    /// Opens the spans that `make` makes, with the names and fields that it says: static
    /// ones, or of the request.
    ///
    /// Give them the fields `otel.status_code`, `otel.status_description` and
    /// `error.type`, empty, for log lines to show them; what is exported has them
    /// anyway.
    pub const fn by(make: M) -> Self {
        Self {
            make,
            errors: Faults { callers: false },
            replies: AnyReply,
            carries: Carried,
            ids: Ids::new(),
        }
    }
}

impl<M, J, W> SpanLayer<M, Faults, J, W> {
    /// Takes a fault of the caller's for an error of the span, too. By default only a
    /// fault of the service is one ([`Kind::is_server`](kit::Kind::is_server)).
    #[must_use]
    pub fn errors_of_callers(mut self) -> Self {
        self.errors.callers = true;
        self
    }
}

impl<M, R, J, W> SpanLayer<M, R, J, W> {
    /// Records errors by `errors`: [`Faults`] by default.
    pub fn errors<Q>(self, errors: Q) -> SpanLayer<M, Q, J, W> {
        let Self { make, replies, carries, ids, .. } = self;
        SpanLayer { make, errors, replies, carries, ids }
    }

    /// Takes a reply for a failure if `tell` says what is wrong with it: a business
    /// error, recorded with `error.type` `business` and the status of an error.
    pub fn business<T, F>(self, tell: F) -> SpanLayer<M, R, Business<F>, W>
    where
        F: Fn(&T) -> Option<Cow<'static, str>> + Clone,
    {
        self.replies(Business { tell, is_error: true })
    }

    /// As [`business`](Self::business), but the span is no error: it was the business
    /// to say no.
    pub fn business_ignored<T, F>(self, tell: F) -> SpanLayer<M, R, Business<F>, W>
    where
        F: Fn(&T) -> Option<Cow<'static, str>> + Clone,
    {
        self.replies(Business { tell, is_error: false })
    }

    fn replies<Q>(self, replies: Q) -> SpanLayer<M, R, Q, W> {
        let Self { make, errors, carries, ids, .. } = self;
        SpanLayer { make, errors, replies, carries, ids }
    }

    /// For requests that carry no [`TraceContext`].
    pub fn uncarried(self) -> SpanLayer<M, R, J, Uncarried> {
        let Self { make, errors, replies, ids, .. } = self;
        SpanLayer { make, errors, replies, carries: Uncarried, ids }
    }

    /// Makes ids by `ids`, where OpenTelemetry does not: [`Ids::new`] by default.
    #[must_use]
    pub fn ids(mut self, ids: Ids) -> Self {
        self.ids = ids;
        self
    }
}

impl<S, M: Clone, R: Clone, J: Clone, W: Clone> Layer<S> for SpanLayer<M, R, J, W> {
    type Service = SpanService<S, M, R, J, W>;

    fn layer(&self, inner: S) -> Self::Service {
        SpanService { inner, layer: self.clone() }
    }
}

impl<M, R: fmt::Debug, J, W> fmt::Debug for SpanLayer<M, R, J, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanLayer").field("errors", &self.errors).finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, M, R, J, W> fmt::Debug for SpanService<S, M, R, J, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanService").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S, M, R, J, W, Req> Service<Req> for SpanService<S, M, R, J, W>
where
    S: Service<Req>,
    M: MakeSpan<Req>,
    R: Errors<S::Error>,
    J: Replies<S::Response>,
    W: Carries<Req>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = InternalFuture<S::Future, R, J>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Req) -> Self::Future {
        let SpanLayer { errors, replies, .. } = &self.layer;
        let (errors, replies) = (errors.clone(), replies.clone());
        let span = self.layer.open(&mut request);
        if span.is_disabled() {
            // Made where it stays.
            return InternalFuture {
                reply: self.inner.call(request),
                span,
                errors,
                replies,
                over: false,
            };
        }
        let reply = span.in_scope(|| self.inner.call(request));
        InternalFuture { reply, span, errors, replies, over: false }
    }
}

impl<M, R, J, W> SpanLayer<M, R, J, W> {
    #[inline]
    fn open<Req>(&self, request: &mut Req) -> Span
    where
        M: MakeSpan<Req>,
        W: Carries<Req>,
    {
        if scope::is_left_out() {
            return Span::none();
        }
        let span = self.make.make(request);
        if span.is_disabled() {
            return span;
        }
        let parent = self.carries.parent(request);
        if parent.as_ref().is_some_and(TraceContext::is_left_out) {
            // What the request spawned, say.
            return Span::none();
        }
        let context = bridge::begin(&span, parent.as_ref(), None, &self.ids, None);
        self.carries.carry(context, request);
        span
    }
}

// ===== impl InternalFuture =====

impl<F, R, J, T, E> Future for InternalFuture<F, R, J>
where
    F: Future<Output = Result<T, E>>,
    R: Errors<E>,
    J: Replies<T>,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if this.span.is_disabled() {
            return this.reply.poll(cx);
        }
        let reply = {
            let _entered = this.span.enter();
            ready!(this.reply.poll(cx))
        };
        *this.over = true;
        // The handle goes, and with it the span ends: not when the future is dropped.
        let span = std::mem::replace(this.span, Span::none());
        match &reply {
            Ok(reply) => this.replies.record(&span, reply),
            Err(error) => this.errors.record(&span, error),
        }
        Poll::Ready(reply)
    }
}

impl<F, R, J> fmt::Debug for InternalFuture<F, R, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InternalFuture").field("span", &self.span).finish_non_exhaustive()
    }
}

// ===== impl MakeSpan =====

impl<Req> MakeSpan<Req> for Named {
    fn make(&self, _: &Req) -> Span {
        tracing::info_span!(
            "internal",
            "otel.name" = self.0,
            "otel.kind" = "internal",
            "otel.status_code" = Empty,
            "otel.status_description" = Empty,
            "error.type" = Empty,
            trace_id = Empty,
            span_id = Empty,
        )
    }
}

impl<Req, F: Fn(&Req) -> Span + Clone> MakeSpan<Req> for F {
    fn make(&self, request: &Req) -> Span {
        self(request)
    }
}

// ===== impl Replies =====

impl<T> Replies<T> for AnyReply {
    fn record(&self, _: &Span, _: &T) {}
}

impl<T, F: Fn(&T) -> Option<Cow<'static, str>> + Clone> Replies<T> for Business<F> {
    fn record(&self, span: &Span, reply: &T) {
        if let Some(wrong) = (self.tell)(reply) {
            errors::failed(span, "business", &wrong, self.is_error);
        }
    }
}

// ===== impl Carries =====

impl<Req: kit::Carries> Carries<Req> for Carried {
    fn parent(&self, request: &Req) -> Option<TraceContext> {
        request.extensions().get().cloned()
    }

    fn carry(&self, context: TraceContext, request: &mut Req) {
        request.extensions_mut().insert(context);
    }
}

impl<Req> Carries<Req> for Uncarried {
    fn parent(&self, _: &Req) -> Option<TraceContext> {
        None
    }

    fn carry(&self, _: TraceContext, _: &mut Req) {}
}
