use super::{Algorithm, Bounds, Sample, Sampling};
use std::time::Duration;

/// Finds the limit at which calls begin to wait for each other.
///
/// It compares how long calls take now with how long they took of late, and
/// follows the gradient between the two: calls that take longer, beyond what is
/// tolerated, wait in a queue somewhere, so fewer are let in; else a few more.
///
/// ```text
/// gradient = tolerance * long_rtt / short_rtt             0.5 to 1
/// limit    = limit * gradient + queue                     smoothed
/// ```
///
/// The long rtt is an exponential mean over many windows. After a time of load
/// that is over, it comes down by itself faster than that. It grows only while
/// at least half of the limit is in use. Under overload that lasts for many
/// minutes the long rtt becomes that of the overload: deadlines are still needed.
///
/// (Netflix, concurrency-limits, `Gradient2Limit` within `WindowedLimit`, with
/// their defaults, but for two things. A window with too few calls goes on, as
/// in failsafe-go, so that a service with little traffic learns too. And calls
/// of less than 100 µs count: a mean of all but the fastest is not the mean.)
#[derive(Debug, Clone)]
pub struct Gradient2 {
    limit: f64,
    bounds: Bounds,
    tolerance: f64,
    smoothing: f64,
    queue: usize,
    long: Mean,
    length: Duration,
    calls: u32,
}

/// An exponential mean, that is a plain one at first.
#[derive(Debug, Clone)]
struct Mean {
    value: f64,
    samples: u32,
    window: u32,
}

// ===== impl Gradient2 =====

impl Gradient2 {
    /// Begins with this limit. 20 by default.
    #[must_use]
    pub fn initial(mut self, limit: usize) -> Self {
        self.bounds.initial = limit;
        self.begin()
    }

    /// Goes no lower; at least 1. 20 by default. (What is too low for the least
    /// traffic that must be served lets a bad guess do harm.)
    #[must_use]
    pub fn min(mut self, limit: usize) -> Self {
        self.bounds.min = limit;
        self.begin()
    }

    /// Goes no higher. 200 by default.
    #[must_use]
    pub fn max(mut self, limit: usize) -> Self {
        self.bounds.max = limit;
        self.begin()
    }

    /// Tolerates calls that take so many times as long as of late; at least 1.
    /// 1.5 by default.
    #[must_use]
    pub const fn tolerance(mut self, times: f64) -> Self {
        self.tolerance = times.max(1.0);
        self
    }

    /// Moves so far towards each new limit: 0 to 1. 0.2 by default, and for what is
    /// no number.
    #[must_use]
    pub const fn smoothing(mut self, part: f64) -> Self {
        self.smoothing = super::part(part, 0.2);
        self
    }

    /// Allows so many calls to wait: by so much the limit grows while they do
    /// not. 4 by default.
    #[must_use]
    pub const fn queue(mut self, calls: usize) -> Self {
        self.queue = calls;
        self
    }

    /// Takes the mean of about so many windows for how long calls took of late.
    /// 600 by default: ten minutes. 0 is 1.
    #[must_use]
    pub const fn long_window(mut self, windows: u32) -> Self {
        self.long.window = if windows == 0 { 1 } else { windows };
        self
    }

    /// Sums up the calls of so long a time; at least 100 ms. 1 s by default.
    #[must_use]
    pub fn window(mut self, length: Duration) -> Self {
        self.length = length.max(Duration::from_millis(100));
        self
    }

    /// Sums up at least so many calls; at least 10, which is the default.
    #[must_use]
    pub fn min_calls(mut self, calls: u32) -> Self {
        self.calls = calls.max(10);
        self
    }

    #[expect(clippy::cast_precision_loss, reason = "limits are small")]
    fn begin(mut self) -> Self {
        self.limit = self.bounds.initial() as f64;
        self
    }
}

impl Default for Gradient2 {
    fn default() -> Self {
        Self {
            limit: 0.0,
            bounds: Bounds::DEFAULT,
            tolerance: 1.5,
            smoothing: 0.2,
            queue: 4,
            long: Mean { value: 0.0, samples: 0, window: 600 },
            length: Duration::from_secs(1),
            calls: 10,
        }
        .begin()
    }
}

impl Algorithm for Gradient2 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "limits are small and not negative"
    )]
    fn limit(&self) -> usize {
        self.limit as usize
    }

    #[expect(clippy::cast_precision_loss, reason = "limits are small")]
    fn update(&mut self, sample: &Sample) -> usize {
        // A clock may not have moved at all.
        let short = sample.rtt.as_secs_f64().max(1e-9);
        let long = self.long.add(short);
        if long / short > 2.0 {
            self.long.value *= 0.95;
        }
        if sample.in_flight as f64 >= self.limit / 2.0 {
            let gradient = (self.tolerance * long / short).clamp(0.5, 1.0);
            let next = self.limit * gradient + self.queue as f64;
            let next = self.limit * (1.0 - self.smoothing) + next * self.smoothing;
            let (min, max) = (self.bounds.of(0) as f64, self.bounds.of(usize::MAX) as f64);
            self.limit = next.clamp(min, max);
        }
        self.limit()
    }

    fn sampling(&self) -> Sampling {
        Sampling::Window { length: self.length, calls: self.calls }
    }
}

// ===== impl Mean =====

impl Mean {
    /// So many samples weigh the same.
    const WARM_UP: u32 = 10;

    fn add(&mut self, sample: f64) -> f64 {
        let weight = if self.samples < Self::WARM_UP {
            self.samples += 1;
            1.0 / f64::from(self.samples)
        } else {
            2.0 / (f64::from(self.window) + 1.0)
        };
        self.value += (sample - self.value) * weight;
        self.value
    }
}

#[cfg(test)]
mod tests {
    use super::Mean;

    // Netflix, ExpAvgMeasurementTest.testWarmup.
    #[test]
    fn a_mean_warms_up() {
        let mut mean = Mean { value: 0.0, samples: 0, window: 100 };
        for (sample, expected) in (10..20).zip([10.0, 10.5, 11.0, 11.5, 12.0, 12.5, 13.0, 13.5]) {
            let found = mean.add(f64::from(sample));
            assert!((found - expected).abs() < 0.01, "{found} is not {expected}");
        }
        mean.add(18.0);
        mean.add(19.0);
        let found = mean.add(100.0);
        assert!((found - 16.2).abs() < 0.1, "{found}");
    }
}
