use kit_endpoint::{Details, Fault, Kind};
use std::{error, fmt, time::Duration};

/// There are as many calls in flight as there may be: the request was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConcurrencyLimited {
    pub(super) retry_after: Duration,
}

impl fmt::Display for ConcurrencyLimited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "too many calls are in flight: try again in {:?}", self.retry_after)
    }
}

impl error::Error for ConcurrencyLimited {}

impl Fault for ConcurrencyLimited {
    fn kind(&self) -> Kind {
        Kind::Unavailable
    }

    fn retry_after(&self) -> Option<Duration> {
        Some(self.retry_after)
    }

    fn refused(&self) -> bool {
        true
    }

    fn describe(&self, details: &mut Details) {
        details.reason("OVERLOADED").domain("kit");
    }
}

/// When who is refused may try again: those who are refused at once come back
/// apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryAfter {
    pub(crate) base: Duration,
    pub(crate) jitter: f64,
}

// ===== impl RetryAfter =====

impl RetryAfter {
    pub(crate) const DEFAULT: Self = Self { base: Duration::from_secs(1), jitter: 0.5 };

    /// Returns that of the refusal with this number: multiples of the golden ratio
    /// lie evenly between 0 and 1, however many there are.
    #[expect(clippy::cast_precision_loss, reason = "it need not be exact")]
    pub(crate) fn of(self, number: u64) -> Duration {
        const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
        let part = (number.wrapping_mul(GOLDEN) >> 32) as f64 / (1_u64 << 32) as f64;
        let after = self.base.as_secs_f64() * (1.0 + self.jitter * (2.0 * part - 1.0));
        // What is too long to be spread is long enough.
        Duration::try_from_secs_f64(after).unwrap_or(self.base)
    }
}

/// A part, 0 to 1; what is no number is `other`.
pub(crate) const fn part(part: f64, other: f64) -> f64 {
    if part.is_nan() { other } else { part.clamp(0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::RetryAfter;
    use std::time::Duration;

    #[test]
    fn who_is_refused_at_once_comes_back_apart() {
        let after = RetryAfter { base: Duration::from_secs(10), jitter: 0.5 };
        let all = (0..100).map(|number| after.of(number).as_secs()).collect::<Vec<_>>();
        assert!(all.iter().all(|after| (5..15).contains(after)), "{all:?}");
        for second in 5..15 {
            let many = all.iter().filter(|after| **after == second).count();
            assert!((8..=12).contains(&many), "{many} after {second} s: {all:?}");
        }
        let exact = RetryAfter { jitter: 0.0, ..after };
        assert_eq!(exact.of(7), after.base);
        let ever = RetryAfter { base: Duration::MAX, ..after };
        assert!((0..100).all(|number| ever.of(number) > Duration::from_hours(1)));
    }
}
