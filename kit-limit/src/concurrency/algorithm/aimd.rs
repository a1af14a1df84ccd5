use super::{Algorithm, Bounds, Sample};
use std::time::Duration;

/// Additive increase, multiplicative decrease: one more for each call that goes
/// well, a tenth fewer for each that is dropped or slow, as TCP does. Of calls that
/// end at once it may hear as of one: if one of them was dropped, a tenth fewer.
///
/// It hears of overload only by loss, so it is for clients of a service that
/// refuses or times out when it has too much to do. It grows only while at least
/// half of the limit is in use: a limit that nobody reaches is not tested.
///
/// (Netflix, concurrency-limits, `AIMDLimit`, with its defaults.)
#[derive(Debug, Clone)]
pub struct Aimd {
    limit: usize,
    bounds: Bounds,
    backoff: f64,
    timeout: Duration,
}

// ===== impl Aimd =====

impl Aimd {
    /// Begins with this limit. 20 by default.
    #[must_use]
    pub fn initial(mut self, limit: usize) -> Self {
        self.bounds.initial = limit;
        self.begin()
    }

    /// Goes no lower; at least 1. 20 by default.
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

    /// Keeps so much of the limit when a call is dropped: 0.5 to 1; what is
    /// beyond is the nearest. 0.9 by default, and for what is no number.
    #[must_use]
    pub const fn backoff(mut self, ratio: f64) -> Self {
        self.backoff = if ratio.is_nan() { 0.9 } else { ratio.clamp(0.5, 1.0) };
        self
    }

    /// Takes a call that lasts longer for dropped. 5 s by default.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    fn begin(mut self) -> Self {
        self.limit = self.bounds.initial();
        self
    }
}

impl Default for Aimd {
    fn default() -> Self {
        let bounds = Bounds::DEFAULT;
        Self { limit: bounds.initial, bounds, backoff: 0.9, timeout: Duration::from_secs(5) }
    }
}

impl Algorithm for Aimd {
    fn limit(&self) -> usize {
        self.limit
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "limits are small and not negative"
    )]
    fn update(&mut self, sample: &Sample) -> usize {
        if sample.dropped || sample.rtt > self.timeout {
            self.limit = (self.limit as f64 * self.backoff) as usize;
        } else if sample.in_flight * 2 >= self.limit {
            self.limit += sample.calls as usize;
        }
        self.limit = self.bounds.of(self.limit);
        self.limit
    }
}
