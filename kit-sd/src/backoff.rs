use std::time::Duration;

/// How long to wait before the next try: exponential with full jitter.
///
/// The n-th pause is a random time up to `base * 2^n`, and never over the cap
/// ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015): of all
/// simple schemes it spreads clients best that failed together.
///
/// ```
/// use kit_sd::Backoff;
/// use std::time::Duration;
///
/// let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(30)).seed(7);
/// assert!(backoff.pause() <= Duration::from_millis(100));
/// assert!(backoff.pause() <= Duration::from_millis(200));
/// ```
#[derive(Debug, Clone)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    failures: u32,
    random: fastrand::Rng,
}

// ===== impl Backoff =====

impl Backoff {
    /// Starts at `base` and ends at `cap`; the randomness is seeded by the
    /// process.
    #[must_use]
    pub fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap, failures: 0, random: fastrand::Rng::new() }
    }

    /// Seeds the randomness, for pauses that can be foretold.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.random = fastrand::Rng::with_seed(seed);
        self
    }

    /// Counts a failure and returns how long to wait.
    pub fn pause(&mut self) -> Duration {
        let factor = 2_u32.saturating_pow(self.failures);
        self.failures = self.failures.saturating_add(1);
        let most = self.base.saturating_mul(factor).min(self.cap);
        most.mul_f64(self.random.f64())
    }

    /// Starts anew: it went well.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }

    /// Spreads a period by a tenth up or down, so that what began together
    /// does not go on so.
    pub(crate) fn spread(&mut self, period: Duration) -> Duration {
        let spread = period.as_secs_f64() * (0.9 + 0.2 * self.random.f64());
        Duration::try_from_secs_f64(spread).unwrap_or(period)
    }
}
