use super::{Asks, Guard, Guarded};
use kit_endpoint::AsError;
use tower_layer::Layer;

/// Lets those in whom a [`Guard`] does.
#[derive(Debug, Clone)]
pub struct GuardLayer<R = AsError> {
    guard: Guard,
    asks: Asks,
    refuse: R,
}

// ===== impl GuardLayer =====

impl GuardLayer {
    /// Guards every request, and refuses with the service's own error.
    #[must_use]
    pub const fn new(guard: Guard) -> Self {
        Self { guard, asks: Asks::All, refuse: AsError }
    }

    /// Guards every request but `GET` and `HEAD`: to read is for whoever names a host
    /// that is known, or none.
    #[must_use]
    pub const fn changes(guard: Guard) -> Self {
        Self { guard, asks: Asks::Changes, refuse: AsError }
    }
}

impl<R> GuardLayer<R> {
    /// Lets everybody read, whatever host they name: for what is no secret, and is
    /// asked for by the names of a network. It is of no effect but on
    /// [`changes`](GuardLayer::changes).
    #[must_use]
    pub const fn any_host(mut self) -> Self {
        if matches!(self.asks, Asks::Changes) {
            self.asks = Asks::ChangesAtAnyHost;
        }
        self
    }

    /// Refuses by `refuse`: [`AsHttp`](kit_endpoint::AsHttp), or a function.
    pub fn refuse<N>(self, refuse: N) -> GuardLayer<N> {
        GuardLayer { guard: self.guard, asks: self.asks, refuse }
    }
}

impl<S, R: Clone> Layer<S> for GuardLayer<R> {
    type Service = Guarded<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self { guard, asks, refuse } = self.clone();
        Guarded { inner, guard, asks, refuse }
    }
}
