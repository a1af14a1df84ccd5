use governor::Quota;
use std::{fmt, num::NonZeroU32, time::Duration};

/// How many requests may pass in a time, and how many of them at once.
///
/// A rate of `n` per period with a burst of `b` lets `b` pass at once, and then
/// one each `period / n`. It says so of any `b` in a row, however they come: a
/// burst that was not used is there again after `b * period / n`, and never
/// more than one burst.
///
/// ```
/// use kit_limit::rate::Rate;
/// use std::time::Duration;
///
/// const RATE: Rate = Rate::per_second(100).burst(20);
/// assert_eq!(RATE.interval(), Duration::from_millis(10));
/// assert_eq!(RATE.to_string(), "100 per 1s, 20 at once");
/// ```
///
/// Nothing is out of range. A rate of none is one of one; a burst of none is
/// one of one; the interval is in whole nanoseconds, rounded down, one at least
/// and a century at most; and a burst that would take more than a century to
/// come back is one that takes a century.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    requests: u32,
    period: Duration,
    /// Nanoseconds from one to the next.
    interval: u64,
    burst: NonZeroU32,
}

/// A century, in nanoseconds: two of them and the time since the start, and
/// then the one of a longest wait, fit into a `u64`.
const CENTURY: u64 = 100 * 365 * 86_400 * 1_000_000_000;

// ===== impl Rate =====

impl Rate {
    /// Lets `requests` pass each second, all of them at once if need be.
    #[must_use]
    pub const fn per_second(requests: u32) -> Self {
        Self::new(requests, Duration::from_secs(1))
    }

    /// Lets `requests` pass each minute, all of them at once if need be.
    #[must_use]
    pub const fn per_minute(requests: u32) -> Self {
        Self::new(requests, Duration::from_mins(1))
    }

    /// Lets `requests` pass each hour, all of them at once if need be.
    #[must_use]
    pub const fn per_hour(requests: u32) -> Self {
        Self::new(requests, Duration::from_hours(1))
    }

    /// Lets `requests` pass each `period`, all of them at once if need be.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "it is at most a century")]
    pub const fn new(requests: u32, period: Duration) -> Self {
        let requests = if requests == 0 { 1 } else { requests };
        let interval = match period.as_nanos() / requests as u128 {
            0 => 1,
            nanos if nanos > CENTURY as u128 => CENTURY,
            nanos => nanos as u64,
        };
        Self { requests, period, interval, burst: NonZeroU32::MIN }.burst(requests)
    }

    /// Lets up to `burst` pass at once: as many as pass in a period, if it is
    /// not said.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "it is less than `burst`")]
    pub const fn burst(mut self, burst: u32) -> Self {
        let most = CENTURY / self.interval;
        let burst = if burst as u64 > most { most as u32 } else { burst };
        self.burst = match NonZeroU32::new(burst) {
            Some(burst) => burst,
            None => NonZeroU32::MIN,
        };
        self
    }

    /// Returns the time from one request to the next, once the burst is spent.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        Duration::from_nanos(self.interval)
    }

    /// Returns how many may pass at once.
    #[must_use]
    pub const fn burst_size(&self) -> u32 {
        self.burst.get()
    }

    pub(super) fn quota(&self) -> Quota {
        // The interval is never zero, so there always is one.
        Quota::with_period(self.interval())
            .unwrap_or(Quota::per_second(NonZeroU32::MIN))
            .allow_burst(self.burst)
    }

    /// Returns what `weight` requests cost, in nanoseconds.
    pub(super) fn cost(&self, weight: NonZeroU32) -> u64 {
        self.interval.saturating_mul(weight.get().into())
    }

    /// Returns how many may pass within how many whole seconds.
    pub(super) fn per_window(&self) -> (u64, u64) {
        let seconds = self.period.as_secs() + u64::from(self.period.subsec_nanos() > 0);
        let seconds = seconds.clamp(1, CENTURY / 1_000_000_000);
        (seconds * 1_000_000_000 / self.interval, seconds)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, period, burst, .. } = self;
        write!(f, "{requests} per {period:?}, {burst} at once")
    }
}
