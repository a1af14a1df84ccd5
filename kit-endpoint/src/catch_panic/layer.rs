use super::CatchPanic;
use crate::AsError;
use tower_layer::Layer;

/// Turns panics of a service into the fact [`Panicked`](super::Panicked).
#[derive(Debug, Clone, Copy, Default)]
pub struct CatchPanicLayer<R = AsError> {
    refuse: R,
}

// ===== impl CatchPanicLayer =====

impl CatchPanicLayer {
    /// Creates a layer that answers a panic with the service's own error.
    #[must_use]
    pub const fn new() -> Self {
        Self { refuse: AsError }
    }
}

impl<R> CatchPanicLayer<R> {
    /// Answers a panic with `refuse`.
    #[must_use]
    pub fn refuse<Q>(self, refuse: Q) -> CatchPanicLayer<Q> {
        CatchPanicLayer { refuse }
    }
}

impl<S, R: Clone> Layer<S> for CatchPanicLayer<R> {
    type Service = CatchPanic<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        CatchPanic { inner, refuse: self.refuse.clone(), panicked: None }
    }
}
