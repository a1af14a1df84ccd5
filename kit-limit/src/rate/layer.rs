use super::{
    By, KeyedRateLimit, One, Rate, RateLimit, RateLimiting,
    patience::{AnyRequest, OfRequest},
};
use kit_endpoint::AsError;
use std::time::Duration;
use tower_layer::Layer;

/// Puts a limit in front of a service.
///
/// One layer is one limit: all the services that it wraps share it, as its
/// clones do.
///
/// `M` says which limit counts a request ([`Meter`](super::Meter)), `N` what it
/// weighs ([`Weigh`](super::Weigh)), `W` whether it waits ([`Refusing`] or
/// [`Waiting`]), `R` what a refusal answers ([`Refuse`](kit_endpoint::Refuse)).
#[derive(Debug, Clone)]
pub struct RateLimitLayer<M = RateLimit, N = One, W = Refusing, R = AsError> {
    meter: M,
    weigh: N,
    wait: W,
    refuse: R,
}

/// Refuses whatever does not pass at once.
#[derive(Debug, Clone, Copy, Default)]
pub struct Refusing;

/// Lets a request wait for its turn, if that comes soon enough.
#[derive(Debug, Clone, Copy)]
pub struct Waiting<U = AnyRequest> {
    pub(super) longest: Duration,
    pub(super) until: U,
}

// ===== impl RateLimitLayer =====

impl RateLimitLayer {
    /// Creates a layer with a limit of its own, that refuses with the service's
    /// own error.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self::shared(RateLimit::new("", rate))
    }
}

impl<M> RateLimitLayer<M> {
    /// Creates a layer on `limit`: to share it with others, or to look at it
    /// from outside.
    #[must_use]
    pub const fn shared(limit: M) -> Self {
        Self { meter: limit, weigh: One, wait: Refusing, refuse: AsError }
    }
}

impl<K: ?Sized, F> RateLimitLayer<By<K, F>> {
    /// Creates a layer on the limit of each key. `key` is a function of the
    /// request ([`KeyOf`](super::KeyOf)).
    #[must_use]
    pub const fn by(limit: KeyedRateLimit<K>, key: F) -> Self {
        Self::shared(By { limit, key })
    }
}

impl<M, N, W, R> RateLimitLayer<M, N, W, R> {
    /// Counts each request as many times as `weigh` says, a function of it.
    #[must_use]
    pub fn weight<O>(self, weigh: O) -> RateLimitLayer<M, O, W, R> {
        let Self { meter, wait, refuse, .. } = self;
        RateLimitLayer { meter, weigh, wait, refuse }
    }

    /// Lets a request wait for its turn, unless that would take longer than
    /// `longest`: then it is refused at once.
    #[must_use]
    pub fn waiting(self, longest: Duration) -> RateLimitLayer<M, N, Waiting, R> {
        let Self { meter, weigh, refuse, .. } = self;
        let wait = Waiting { longest, until: AnyRequest };
        RateLimitLayer { meter, weigh, wait, refuse }
    }

    /// Answers with `refuse` what does not pass.
    #[must_use]
    pub fn refuse<Q>(self, refuse: Q) -> RateLimitLayer<M, N, W, Q> {
        let Self { meter, weigh, wait, .. } = self;
        RateLimitLayer { meter, weigh, wait, refuse }
    }
}

impl<M, N, R> RateLimitLayer<M, N, Waiting, R> {
    /// Refuses at once also what would have to wait past its deadline. It asks
    /// of the requests that they [carry](kit_endpoint::Carries) one.
    #[must_use]
    pub fn by_deadline(self) -> RateLimitLayer<M, N, Waiting<OfRequest>, R> {
        let Self { meter, weigh, wait, refuse } = self;
        let wait = Waiting { longest: wait.longest, until: OfRequest };
        RateLimitLayer { meter, weigh, wait, refuse }
    }
}

impl<S, M: Clone, N: Clone, W: Clone, R: Clone> Layer<S> for RateLimitLayer<M, N, W, R> {
    type Service = RateLimiting<S, M, N, W, R>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self { meter, weigh, wait, refuse } = self.clone();
        RateLimiting { inner, meter, weigh, wait, refuse }
    }
}
