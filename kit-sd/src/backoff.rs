use std::time::Duration;
use tokio::time::Instant;

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
    /// How long the cap is a lower one, and which.
    brisk: Option<(Duration, Duration)>,
    /// When the first of the failures was.
    since: Option<Instant>,
    failures: u32,
    random: fastrand::Rng,
}

// ===== impl Backoff =====

impl Backoff {
    /// Starts at `base` and ends at `cap`; the randomness is seeded by the
    /// process.
    #[must_use]
    pub fn new(base: Duration, cap: Duration) -> Self {
        let random = fastrand::Rng::new();
        Self { base, cap, brisk: None, since: None, failures: 0, random }
    }

    /// The pauses between tries of a registry: from 100 ms to 1 s in the first
    /// minute of an outage, so that a restart is over within a second of its
    /// end, and then to 30 s, so that thousands of clients do not hold down a
    /// registry that comes back.
    #[must_use]
    pub fn of_registry() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(30))
            .brisk(Duration::from_mins(1), Duration::from_secs(1))
    }

    /// Holds the pauses to a lower `cap` for so long `after` the first failure.
    #[must_use]
    pub const fn brisk(mut self, after: Duration, cap: Duration) -> Self {
        self.brisk = Some((after, cap));
        self
    }

    /// Seeds the randomness, for pauses that can be foretold.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.random = fastrand::Rng::with_seed(seed);
        self
    }

    /// Counts a failure and returns how long to wait.
    pub fn pause(&mut self) -> Duration {
        let now = Instant::now();
        let since = *self.since.get_or_insert(now);
        let factor = 2_u32.saturating_pow(self.failures);
        self.failures = self.failures.saturating_add(1);
        let mut most = self.base.saturating_mul(factor);
        if let Some((after, cap)) = self.brisk
            && now.saturating_duration_since(since) < after
            && most >= cap
        {
            most = cap;
            // When this time is over, the pauses grow from here.
            self.failures -= 1;
        }
        most.min(self.cap).mul_f64(self.random.f64())
    }

    /// Starts anew: it went well.
    pub const fn reset(&mut self) {
        self.failures = 0;
        self.since = None;
    }

    /// Spreads a period by a tenth up or down, so that what began together
    /// does not go on so.
    pub(crate) fn spread(&mut self, period: Duration) -> Duration {
        let spread = period.as_secs_f64() * (0.9 + 0.2 * self.random.f64());
        Duration::try_from_secs_f64(spread).unwrap_or(period)
    }

    /// Makes a period up to a tenth longer, so that what ends for many at the
    /// same time does not wake them all at once.
    #[cfg(feature = "dns")]
    pub(crate) fn lengthen(&mut self, period: Duration) -> Duration {
        let lengthened = period.as_secs_f64() * (1.0 + 0.1 * self.random.f64());
        Duration::try_from_secs_f64(lengthened).unwrap_or(period)
    }
}
