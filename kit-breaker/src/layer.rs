use crate::{Breaker, Circuit, Limits};
use kit_endpoint::{AsError, ServerFaults, UntilBodyEnd, UntilReply, UntilStreamEnd};
use tower_layer::Layer;

/// Puts a [`Breaker`] in front of a service.
#[derive(Debug, Clone)]
pub struct BreakerLayer<C = ServerFaults, R = AsError, U = UntilReply> {
    source: Source,
    classify: C,
    refuse: R,
    until: U,
}

#[derive(Debug, Clone)]
enum Source {
    Limits(Limits),
    Circuit(Circuit),
}

// ===== impl BreakerLayer =====

impl BreakerLayer {
    /// Creates a layer whose breakers count [`ServerFaults`], up to `limits`,
    /// and refuse with the service's own error. Each service that it wraps
    /// gets a circuit of its own.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self::from_source(Source::Limits(limits))
    }

    /// Creates a layer whose breakers all share `circuit`: to look at it from
    /// outside, or because the services behind it fail together.
    #[must_use]
    pub const fn shared(circuit: Circuit) -> Self {
        Self::from_source(Source::Circuit(circuit))
    }

    const fn from_source(source: Source) -> Self {
        Self { source, classify: ServerFaults, refuse: AsError, until: UntilReply }
    }
}

impl<C, R, U> BreakerLayer<C, R, U> {
    /// Counts what `classify` says is a failure.
    #[must_use]
    pub fn classify<D>(self, classify: D) -> BreakerLayer<D, R, U> {
        let Self { source, refuse, until, .. } = self;
        BreakerLayer { source, classify, refuse, until }
    }

    /// Answers with `refuse` while the circuit is open.
    #[must_use]
    pub fn refuse<Q>(self, refuse: Q) -> BreakerLayer<C, Q, U> {
        let Self { source, classify, until, .. } = self;
        BreakerLayer { source, classify, refuse, until }
    }

    /// Judges a reply that is a stream when the stream ends.
    #[must_use]
    pub fn streaming(self) -> BreakerLayer<C, R, UntilStreamEnd> {
        let Self { source, classify, refuse, .. } = self;
        BreakerLayer { source, classify, refuse, until: UntilStreamEnd }
    }

    /// Judges an HTTP reply when its body ends: for gRPC, whose status comes
    /// in the trailers.
    #[must_use]
    pub fn until_body_end(self) -> BreakerLayer<C, R, UntilBodyEnd> {
        let Self { source, classify, refuse, .. } = self;
        BreakerLayer { source, classify, refuse, until: UntilBodyEnd }
    }
}

impl<S, C: Clone, R: Clone, U: Clone> Layer<S> for BreakerLayer<C, R, U> {
    type Service = Breaker<S, C, R, U>;

    fn layer(&self, inner: S) -> Self::Service {
        let circuit = match &self.source {
            Source::Limits(limits) => Circuit::new("", *limits),
            Source::Circuit(circuit) => circuit.clone(),
        };
        let (classify, refuse) = (self.classify.clone(), self.refuse.clone());
        Breaker { inner, classify, refuse, until: self.until.clone(), circuit, admission: None }
    }
}
