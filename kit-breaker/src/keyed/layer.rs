use super::{Circuits, KeyedBreaker};
use kit_endpoint::{AsError, ServerFaults, UntilBodyEnd, UntilReply, UntilStreamEnd};
use tower_layer::Layer;

/// Puts a [`KeyedBreaker`] in front of a service.
#[derive(Debug, Clone)]
pub struct KeyedBreakerLayer<K, F, C = ServerFaults, R = AsError, U = UntilReply> {
    circuits: Circuits<K>,
    key: F,
    classify: C,
    refuse: R,
    until: U,
}

// ===== impl KeyedBreakerLayer =====

impl<K, F> KeyedBreakerLayer<K, F> {
    /// Creates a layer that takes the circuit of the key that `key` finds in a
    /// request.
    #[must_use]
    pub const fn new(circuits: Circuits<K>, key: F) -> Self {
        Self { circuits, key, classify: ServerFaults, refuse: AsError, until: UntilReply }
    }
}

impl<K, F, C, R, U> KeyedBreakerLayer<K, F, C, R, U> {
    /// Counts what `classify` says is a failure.
    #[must_use]
    pub fn classify<D>(self, classify: D) -> KeyedBreakerLayer<K, F, D, R, U> {
        let Self { circuits, key, refuse, until, .. } = self;
        KeyedBreakerLayer { circuits, key, classify, refuse, until }
    }

    /// Answers with `refuse` while the circuit of a request is open.
    #[must_use]
    pub fn refuse<Q>(self, refuse: Q) -> KeyedBreakerLayer<K, F, C, Q, U> {
        let Self { circuits, key, classify, until, .. } = self;
        KeyedBreakerLayer { circuits, key, classify, refuse, until }
    }

    /// Judges a reply that is a stream when the stream ends. A probe is open until
    /// then: see [`Limits::patience`](crate::Limits::patience).
    #[must_use]
    pub fn streaming(self) -> KeyedBreakerLayer<K, F, C, R, UntilStreamEnd> {
        let Self { circuits, key, classify, refuse, .. } = self;
        KeyedBreakerLayer { circuits, key, classify, refuse, until: UntilStreamEnd }
    }

    /// Judges an HTTP reply when its body ends: for gRPC, whose status comes in
    /// the trailers.
    #[must_use]
    pub fn until_body_end(self) -> KeyedBreakerLayer<K, F, C, R, UntilBodyEnd> {
        let Self { circuits, key, classify, refuse, .. } = self;
        KeyedBreakerLayer { circuits, key, classify, refuse, until: UntilBodyEnd }
    }
}

impl<S, K, F: Clone, C: Clone, R: Clone, U: Clone> Layer<S> for KeyedBreakerLayer<K, F, C, R, U> {
    type Service = KeyedBreaker<S, K, F, C, R, U>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self { circuits, key, classify, refuse, until } = self;
        KeyedBreaker {
            inner,
            circuits: circuits.clone(),
            key: key.clone(),
            classify: classify.clone(),
            refuse: refuse.clone(),
            until: until.clone(),
        }
    }
}
