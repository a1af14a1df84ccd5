use super::{Red, calls::Measures};
use crate::{TraceOf, Untraced};
use kit_endpoint::{ServerFaults, UntilBodyEnd, UntilReply, UntilStreamEnd};
use metrics::Recorder;
use std::sync::Arc;
use tower_layer::Layer;

/// Measures the calls of a service: rate, errors, duration, and how many are
/// in flight.
///
/// See the [module](super) for what it does.
#[derive(Debug, Clone)]
pub struct RedLayer<C = ServerFaults, U = UntilReply, X = Untraced> {
    calls: Arc<Measures>,
    classify: C,
    until: U,
    traces: X,
}

// ===== impl RedLayer =====

impl RedLayer {
    /// Measures into `recorder`, under `name` and `labels`, where they are
    /// registered now.
    ///
    /// `name` says what is measured, in `snake_case` and without a unit
    /// (`sql_query`), `labels` which of them (`[("table", "users")]`). They
    /// are fixed, so that nothing a caller sends can make new series; `kind`
    /// is the one label that is added.
    #[must_use]
    pub fn new(
        recorder: impl Recorder + Send + Sync + 'static,
        name: &str,
        labels: &[(&str, &str)],
    ) -> Self {
        let calls = Measures::new(Box::new(recorder), name, labels);
        Self { calls, classify: ServerFaults, until: UntilReply, traces: Untraced }
    }
}

impl<C, U, X> RedLayer<C, U, X> {
    /// Names the kind of a failure by `classify`, a [`KindOf`](crate::KindOf):
    /// [`ServerFaults`] by default, which is for errors that are a
    /// [`Fault`](kit_endpoint::Fault).
    #[must_use]
    pub fn classify<D>(self, classify: D) -> RedLayer<D, U, X> {
        let Self { calls, until, traces, .. } = self;
        RedLayer { calls, classify, until, traces }
    }

    /// Measures until the stream that a call replies with is over: at its end,
    /// its first error, or its drop.
    #[must_use]
    pub fn streaming(self) -> RedLayer<C, UntilStreamEnd, X> {
        self.until(UntilStreamEnd)
    }

    /// Measures until the body of the HTTP reply is over: at its trailers, its
    /// end, its error, or its drop.
    #[must_use]
    pub fn until_body_end(self) -> RedLayer<C, UntilBodyEnd, X> {
        self.until(UntilBodyEnd)
    }

    /// Gives each histogram an example of a trace in each bucket, where `trace`
    /// finds a sampled one among the extensions of a request: in a
    /// [`Registry`](crate::Registry), which knows what to do with them.
    ///
    /// The requests must carry extensions
    /// ([`Carries`](kit_endpoint::Carries)): `http::Request` and kit's own do.
    ///
    /// ```
    /// use kit_metrics::{Prometheus, RedLayer, Trace};
    ///
    /// /// What your tracer leaves in a request.
    /// #[derive(Clone)]
    /// struct Context {
    ///     trace: [u8; 16],
    ///     span: [u8; 8],
    ///     sampled: bool,
    /// }
    ///
    /// let red = RedLayer::new(Prometheus::new(), "endpoint", &[]).exemplars(|extensions| {
    ///     let context = extensions.get::<Context>().filter(|context| context.sampled)?;
    ///     Trace::new(context.trace, context.span)
    /// });
    /// # let _ = red;
    /// ```
    #[must_use]
    pub fn exemplars(self, trace: TraceOf) -> RedLayer<C, U, TraceOf> {
        let Self { calls, classify, until, .. } = self;
        RedLayer { calls, classify, until, traces: trace }
    }

    fn until<V>(self, until: V) -> RedLayer<C, V, X> {
        let Self { calls, classify, traces, .. } = self;
        RedLayer { calls, classify, until, traces }
    }
}

impl<S, C: Clone, U: Clone, X: Clone> Layer<S> for RedLayer<C, U, X> {
    type Service = Red<S, C, U, X>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self { calls, classify, until, traces } = self.clone();
        Red { inner, calls, classify, until, traces }
    }
}
