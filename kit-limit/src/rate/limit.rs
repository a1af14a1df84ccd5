use super::{
    Patience, Rate, RateLimited,
    limiter::{Limiter, One},
    reservation::{Kept, Reservation},
};
use kit_endpoint::{Inspect, Inspector};
use std::{fmt, sync::Arc};

/// One limit for all requests. Clones are the same limit.
///
/// It is two lines of the cache behind an `Arc`; a check reads the clock once, takes no lock
/// and allocates nothing.
#[derive(Clone)]
pub struct RateLimit {
    limiter: Arc<Limiter<One>>,
}

// ===== impl RateLimit =====

impl RateLimit {
    /// Creates a limit that nobody has used yet. `name` tells it from others
    /// in its facts, headers and what it says to an [`Inspector`].
    pub fn new(name: impl Into<Box<str>>, rate: Rate) -> Self {
        Self { limiter: Arc::new(Limiter::new(name.into(), rate, One::new())) }
    }

    /// Takes one request.
    ///
    /// # Errors
    ///
    /// Returns the fact that the limit is exceeded.
    #[inline]
    pub fn check(&self) -> Result<(), RateLimited> {
        self.check_n(1)
    }

    /// Takes a request of a weight, all of it or none. One of weight 0 passes.
    ///
    /// # Errors
    ///
    /// Returns the fact that the limit is exceeded, or that the weight is above
    /// the burst.
    #[inline]
    pub fn check_n(&self, weight: u32) -> Result<(), RateLimited> {
        self.limiter.check((), weight)
    }

    /// Takes a request of a weight, now or as soon as there is room for it.
    ///
    /// # Errors
    ///
    /// Returns at once the fact that the wait would be too long, or that the
    /// weight is above the burst.
    pub fn reserve(
        &self,
        weight: u32,
        patience: impl Into<Patience>,
    ) -> Result<Reservation, RateLimited> {
        let keep = || Kept::One(Arc::clone(&self.limiter));
        self.limiter.reserve((), weight, patience.into(), keep)
    }

    /// Returns how many would pass now.
    #[must_use]
    pub fn available(&self) -> u32 {
        self.limiter.available(())
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.limiter.policy.name
    }

    /// Returns the rate.
    #[must_use]
    pub fn rate(&self) -> Rate {
        self.limiter.policy.rate
    }

    /// Returns how many were let through, those that waited included.
    #[must_use]
    pub fn allowed(&self) -> u64 {
        self.limiter.times.sums().allowed
    }

    /// Returns how many were refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.limiter.times.sums().refused
    }

    /// Returns how many had to wait, those that gave up included.
    #[must_use]
    pub fn waited(&self) -> u64 {
        self.limiter.times.sums().waited
    }

    /// Returns how many wait now.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.limiter.times.sums().waiting()
    }
}

impl Inspect for RateLimit {
    fn inspect(&self, inspector: &mut dyn Inspector) {
        self.limiter.times.sums().inspect(self.name(), inspector);
        inspector.gauge(
            "rate_limit_available",
            "Requests that would be let through at once.",
            &[("limit", self.name())],
            self.available().into(),
        );
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit")
            .field("name", &self.name())
            .field("rate", &self.rate())
            .field("available", &self.available())
            .finish_non_exhaustive()
    }
}
