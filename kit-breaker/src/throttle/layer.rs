use super::{ByCriticality, OneClass, Throttle, Throttling};
use kit_endpoint::{AsError, ServerFaults, UntilBodyEnd, UntilReply, UntilStreamEnd};
use tower_layer::Layer;

/// Puts a [`Throttling`] in front of a service.
#[derive(Debug, Clone)]
pub struct ThrottleLayer<P = OneClass, C = ServerFaults, R = AsError, U = UntilReply> {
    throttle: Throttle,
    class: P,
    classify: C,
    refuse: R,
    until: U,
}

// ===== impl ThrottleLayer =====

impl ThrottleLayer {
    /// Creates a layer on `throttle` that takes all requests for critical ones,
    /// counts [`ServerFaults`] as refusals, and rejects with the service's own
    /// error.
    #[must_use]
    pub const fn shared(throttle: Throttle) -> Self {
        let (class, classify) = (OneClass, ServerFaults);
        Self { throttle, class, classify, refuse: AsError, until: UntilReply }
    }
}

impl<P, C, R, U> ThrottleLayer<P, C, R, U> {
    /// Counts each class of criticality by itself, as a request's extensions have
    /// it; a request that has none is critical.
    #[must_use]
    pub fn by_criticality(self) -> ThrottleLayer<ByCriticality, C, R, U> {
        let Self { throttle, classify, refuse, until, .. } = self;
        ThrottleLayer { throttle, class: ByCriticality, classify, refuse, until }
    }

    /// Takes for accepted what `classify` says is a success; what shows nothing
    /// does not count.
    #[must_use]
    pub fn classify<D>(self, classify: D) -> ThrottleLayer<P, D, R, U> {
        let Self { throttle, class, refuse, until, .. } = self;
        ThrottleLayer { throttle, class, classify, refuse, until }
    }

    /// Answers with `refuse` what is rejected.
    #[must_use]
    pub fn refuse<Q>(self, refuse: Q) -> ThrottleLayer<P, C, Q, U> {
        let Self { throttle, class, classify, until, .. } = self;
        ThrottleLayer { throttle, class, classify, refuse, until }
    }

    /// Judges a reply that is a stream when the stream ends.
    #[must_use]
    pub fn streaming(self) -> ThrottleLayer<P, C, R, UntilStreamEnd> {
        let Self { throttle, class, classify, refuse, .. } = self;
        ThrottleLayer { throttle, class, classify, refuse, until: UntilStreamEnd }
    }

    /// Judges an HTTP reply when its body ends: for gRPC, whose status comes in
    /// the trailers.
    #[must_use]
    pub fn until_body_end(self) -> ThrottleLayer<P, C, R, UntilBodyEnd> {
        let Self { throttle, class, classify, refuse, .. } = self;
        ThrottleLayer { throttle, class, classify, refuse, until: UntilBodyEnd }
    }
}

impl<S, P: Clone, C: Clone, R: Clone, U: Clone> Layer<S> for ThrottleLayer<P, C, R, U> {
    type Service = Throttling<S, P, C, R, U>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self { throttle, class, classify, refuse, until } = self;
        Throttling {
            inner,
            throttle: throttle.clone(),
            class: class.clone(),
            classify: classify.clone(),
            refuse: refuse.clone(),
            until: until.clone(),
        }
    }
}
