use super::{Red, calls::Calls};
use kit_endpoint::{ServerFaults, UntilBodyEnd, UntilReply, UntilStreamEnd};
use metrics::Recorder;
use std::sync::Arc;
use tower_layer::Layer;

/// Measures the calls of a service: rate, errors, duration, and how many are
/// in flight.
///
/// See the [module](super) for what it does.
#[derive(Debug, Clone)]
pub struct RedLayer<C = ServerFaults, U = UntilReply> {
    calls: Arc<Calls>,
    classify: C,
    until: U,
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
        let calls = Arc::new(Calls::new(Box::new(recorder), name, labels));
        Self { calls, classify: ServerFaults, until: UntilReply }
    }
}

impl<C, U> RedLayer<C, U> {
    /// Names the kind of a failure by `classify`, a [`KindOf`](crate::KindOf):
    /// [`ServerFaults`] by default, which is for errors that are a
    /// [`Fault`](kit_endpoint::Fault).
    #[must_use]
    pub fn classify<D>(self, classify: D) -> RedLayer<D, U> {
        let Self { calls, until, .. } = self;
        RedLayer { calls, classify, until }
    }

    /// Measures until the stream that a call replies with is over: at its end,
    /// its first error, or its drop.
    #[must_use]
    pub fn streaming(self) -> RedLayer<C, UntilStreamEnd> {
        self.until(UntilStreamEnd)
    }

    /// Measures until the body of the HTTP reply is over: at its trailers, its
    /// end, its error, or its drop.
    #[must_use]
    pub fn until_body_end(self) -> RedLayer<C, UntilBodyEnd> {
        self.until(UntilBodyEnd)
    }

    fn until<V>(self, until: V) -> RedLayer<C, V> {
        let Self { calls, classify, .. } = self;
        RedLayer { calls, classify, until }
    }
}

impl<S, C: Clone, U: Clone> Layer<S> for RedLayer<C, U> {
    type Service = Red<S, C, U>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self { calls, classify, until } = self.clone();
        Red { inner, calls, classify, until }
    }
}
