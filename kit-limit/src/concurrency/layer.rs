use super::{Algorithm, ByCriticality, ConcurrencyLimit, Limiter, OneClass, Whole};
use kit_endpoint::{AsError, ServerFaults, UntilBodyEnd, UntilReply, UntilStreamEnd};
use tower_layer::Layer;

/// Puts a [`ConcurrencyLimit`] in front of a service.
///
/// One layer is one limiter: all the services that it wraps share it, as its
/// clones do. `K` says of which class a request is, `P` of which partition, `C`
/// what a failure is, `R` what a refusal becomes, `U` when a call is over.
#[derive(Debug, Clone)]
pub struct ConcurrencyLimitLayer<
    K = OneClass,
    P = Whole,
    C = ServerFaults,
    R = AsError,
    U = UntilReply,
> {
    limiter: Limiter,
    class: K,
    partition: P,
    classify: C,
    refuse: R,
    until: U,
}

// ===== impl ConcurrencyLimitLayer =====

impl ConcurrencyLimitLayer {
    /// Creates a layer with a limiter of its own, whose limit `algorithm` finds.
    #[must_use]
    pub fn new(algorithm: impl Algorithm) -> Self {
        Self::shared(Limiter::new("", algorithm))
    }

    /// Creates a layer on `limiter`: to look at it from outside. It takes all
    /// requests for the same, [`ServerFaults`] for dropped, and refuses with the
    /// service's own error.
    #[must_use]
    pub const fn shared(limiter: Limiter) -> Self {
        let (class, partition, classify) = (OneClass, Whole, ServerFaults);
        Self { limiter, class, partition, classify, refuse: AsError, until: UntilReply }
    }
}

impl<K, P, C, R, U> ConcurrencyLimitLayer<K, P, C, R, U> {
    /// Refuses the less critical requests first, as a request's extensions say how
    /// critical it is: each class may fill its [`share`](Limiter::share) of the
    /// limit. One that says nothing is critical.
    #[must_use]
    pub fn by_criticality(self) -> ConcurrencyLimitLayer<ByCriticality, P, C, R, U> {
        let Self { limiter, partition, classify, refuse, until, .. } = self;
        ConcurrencyLimitLayer { limiter, class: ByCriticality, partition, classify, refuse, until }
    }

    /// Guarantees each of the limiter's [`Partitions`](super::Partitions) its share;
    /// `partition` names that of a request: by its caller, or its method.
    #[must_use]
    pub fn by_partition<Q>(self, partition: Q) -> ConcurrencyLimitLayer<K, Q, C, R, U> {
        let Self { limiter, class, classify, refuse, until, .. } = self;
        ConcurrencyLimitLayer { limiter, class, partition, classify, refuse, until }
    }

    /// Takes for dropped what `classify` says is a failure, or overload; what shows
    /// nothing does not count.
    #[must_use]
    pub fn classify<D>(self, classify: D) -> ConcurrencyLimitLayer<K, P, D, R, U> {
        let Self { limiter, class, partition, refuse, until, .. } = self;
        ConcurrencyLimitLayer { limiter, class, partition, classify, refuse, until }
    }

    /// Answers with `refuse` what is refused.
    #[must_use]
    pub fn refuse<Q>(self, refuse: Q) -> ConcurrencyLimitLayer<K, P, C, Q, U> {
        let Self { limiter, class, partition, classify, until, .. } = self;
        ConcurrencyLimitLayer { limiter, class, partition, classify, refuse, until }
    }

    /// Keeps the place of a call whose reply is a stream until the stream ends.
    #[must_use]
    pub fn streaming(self) -> ConcurrencyLimitLayer<K, P, C, R, UntilStreamEnd> {
        let Self { limiter, class, partition, classify, refuse, .. } = self;
        ConcurrencyLimitLayer { limiter, class, partition, classify, refuse, until: UntilStreamEnd }
    }

    /// Keeps the place of a call until the body of its HTTP reply ends: for gRPC,
    /// and wherever much of the work is to write the body.
    #[must_use]
    pub fn until_body_end(self) -> ConcurrencyLimitLayer<K, P, C, R, UntilBodyEnd> {
        let Self { limiter, class, partition, classify, refuse, .. } = self;
        ConcurrencyLimitLayer { limiter, class, partition, classify, refuse, until: UntilBodyEnd }
    }
}

impl<S, K, P, C, R, U> Layer<S> for ConcurrencyLimitLayer<K, P, C, R, U>
where
    K: Clone,
    P: Clone,
    C: Clone,
    R: Clone,
    U: Clone,
{
    type Service = ConcurrencyLimit<S, K, P, C, R, U>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self { limiter, class, partition, classify, refuse, until } = self.clone();
        ConcurrencyLimit { inner, limiter, class, partition, classify, refuse, until }
    }
}
