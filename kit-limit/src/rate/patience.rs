use super::error::Bound;
use kit_endpoint::Carries;
use std::time::Duration;
use tokio::time::Instant;

/// How long a request may wait for its turn.
///
/// ```
/// use kit_limit::rate::{Rate, RateLimit};
/// use std::time::Duration;
///
/// let limit = RateLimit::new("billing", Rate::per_minute(1));
/// assert!(limit.reserve(1, Duration::from_millis(500)).is_ok(), "there is room");
/// let refused = limit.reserve(1, Duration::from_millis(500)).unwrap_err();
/// assert!(refused.to_string().starts_with("the rate limit is exceeded: the wait of 59."));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    longest: Duration,
    deadline: Option<Instant>,
}

/// Says until when a request may wait, beside how long.
pub trait Until<Req>: Clone {
    /// Returns the instant at which nobody waits for the reply any more.
    fn deadline(&self, request: &Req) -> Option<Instant>;
}

/// Waits whatever the request says.
#[derive(Debug, Clone, Copy, Default)]
pub struct AnyRequest;

/// Waits until the request's deadline at most.
#[derive(Debug, Clone, Copy, Default)]
pub struct OfRequest;

// ===== impl Patience =====

impl Patience {
    /// Waits for `longest` at most.
    #[must_use]
    pub const fn new(longest: Duration) -> Self {
        Self { longest, deadline: None }
    }

    /// Does not wait for a turn that comes at `deadline` or later.
    #[must_use]
    pub const fn until(mut self, deadline: Option<Instant>) -> Self {
        self.deadline = deadline;
        self
    }

    /// Returns the longest wait from `now` on, and what bounds it.
    pub(super) fn from(self, now: Instant) -> (Duration, Bound) {
        let Some(deadline) = self.deadline else { return (self.longest, Bound::Longest) };
        // What begins at its deadline is too late.
        let left = deadline.saturating_duration_since(now).saturating_sub(Duration::from_nanos(1));
        if left < self.longest { (left, Bound::Deadline) } else { (self.longest, Bound::Longest) }
    }
}

impl From<Duration> for Patience {
    fn from(longest: Duration) -> Self {
        Self::new(longest)
    }
}

// ===== impl Until =====

impl<Req> Until<Req> for AnyRequest {
    fn deadline(&self, _: &Req) -> Option<Instant> {
        None
    }
}

impl<Req: Carries> Until<Req> for OfRequest {
    fn deadline(&self, request: &Req) -> Option<Instant> {
        request.deadline()
    }
}
