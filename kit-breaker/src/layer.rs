use crate::{Breaker, Circuit, Limits, permit::Door};
use kit_endpoint::{AsError, ServerFaults, UntilBodyEnd, UntilReply, UntilStreamEnd};
use tower_layer::Layer;

/// Puts a [`Breaker`] in front of a service.
///
/// One layer is one circuit: all the services that it wraps share it, as its
/// clones do. (axum applies a router's layers to each route, and before
/// `with_state` anew for each request: a circuit made by each application
/// would never open.) For services that fail apart, the instances of a
/// balancer say, make a layer for each.
#[derive(Debug, Clone)]
pub struct BreakerLayer<C = ServerFaults, R = AsError, U = UntilReply> {
    circuit: Circuit,
    classify: C,
    refuse: R,
    until: U,
}

// ===== impl BreakerLayer =====

impl BreakerLayer {
    /// Creates a layer with a circuit of its own, closed, that counts
    /// [`ServerFaults`] up to `limits`, and refuses with the service's own
    /// error.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self::shared(Circuit::new("", limits))
    }

    /// Creates a layer on `circuit`: to look at it from outside.
    #[must_use]
    pub const fn shared(circuit: Circuit) -> Self {
        Self { circuit, classify: ServerFaults, refuse: AsError, until: UntilReply }
    }
}

impl<C, R, U> BreakerLayer<C, R, U> {
    /// Counts what `classify` says is a failure.
    #[must_use]
    pub fn classify<D>(self, classify: D) -> BreakerLayer<D, R, U> {
        let Self { circuit, refuse, until, .. } = self;
        BreakerLayer { circuit, classify, refuse, until }
    }

    /// Answers with `refuse` while the circuit is open.
    #[must_use]
    pub fn refuse<Q>(self, refuse: Q) -> BreakerLayer<C, Q, U> {
        let Self { circuit, classify, until, .. } = self;
        BreakerLayer { circuit, classify, refuse, until }
    }

    /// Judges a reply that is a stream when the stream ends. A probe is open until
    /// then: see [`Limits::patience`](crate::Limits::patience).
    #[must_use]
    pub fn streaming(self) -> BreakerLayer<C, R, UntilStreamEnd> {
        let Self { circuit, classify, refuse, .. } = self;
        BreakerLayer { circuit, classify, refuse, until: UntilStreamEnd }
    }

    /// Judges an HTTP reply when its body ends: for gRPC, whose status comes
    /// in the trailers.
    #[must_use]
    pub fn until_body_end(self) -> BreakerLayer<C, R, UntilBodyEnd> {
        let Self { circuit, classify, refuse, .. } = self;
        BreakerLayer { circuit, classify, refuse, until: UntilBodyEnd }
    }
}

impl<S, C: Clone, R: Clone, U: Clone> Layer<S> for BreakerLayer<C, R, U> {
    type Service = Breaker<S, C, R, U>;

    fn layer(&self, inner: S) -> Self::Service {
        let door = Door::new(self.circuit.clone());
        let (classify, refuse) = (self.classify.clone(), self.refuse.clone());
        Breaker { inner, classify, refuse, until: self.until.clone(), door }
    }
}
