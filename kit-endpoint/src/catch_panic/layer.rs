use super::CatchPanic;
use crate::{AsError, UntilReply, UntilStreamEnd};
use tower_layer::Layer;

/// Turns panics of a service into the fact [`Panicked`](super::Panicked).
///
/// See the [module](super) for what it does.
#[derive(Debug, Clone, Copy, Default)]
pub struct CatchPanicLayer<R = AsError, U = UntilReply> {
    refuse: R,
    until: U,
}

// ===== impl CatchPanicLayer =====

impl CatchPanicLayer {
    /// Creates a layer that answers a panic with the service's own error.
    #[must_use]
    pub const fn new() -> Self {
        Self { refuse: AsError, until: UntilReply }
    }
}

impl<R, U> CatchPanicLayer<R, U> {
    /// Answers a panic with `refuse`.
    #[must_use]
    pub fn refuse<Q>(self, refuse: Q) -> CatchPanicLayer<Q, U> {
        CatchPanicLayer { refuse, until: self.until }
    }

    /// Catches panics also in the stream that a call replies with: its next item
    /// is the fact, and its last. What [`refuse`](Self::refuse)s makes whichever is due, a
    /// reply or an item; the default does.
    #[must_use]
    pub fn streaming(self) -> CatchPanicLayer<R, UntilStreamEnd> {
        CatchPanicLayer { refuse: self.refuse, until: UntilStreamEnd }
    }
}

impl<S, R: Clone, U: Clone> Layer<S> for CatchPanicLayer<R, U> {
    type Service = CatchPanic<S, R, U>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self { refuse, until } = self.clone();
        CatchPanic { inner, refuse, until, panicked: None }
    }
}
