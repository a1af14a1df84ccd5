use std::time::Duration;

/// When DNS is asked, and for how long an answer is waited for.
///
/// ```
/// use kit_sd::dns::Timing;
/// use std::time::Duration;
///
/// let timing = Timing::new().min_ttl(Duration::from_secs(5)).timeout(Duration::from_secs(2));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    min_ttl: Duration,
    max_ttl: Duration,
    max_negative_ttl: Duration,
    pub(super) timeout: Duration,
}

// ===== impl Timing =====

impl Timing {
    /// The defaults: a TTL of at least 1 s and at most 5 min, 10 s without
    /// records, and 5 s for an answer.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            min_ttl: Duration::from_secs(1),
            max_ttl: Duration::from_mins(5),
            max_negative_ttl: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
        }
    }

    /// Sets how long an answer holds at least, whatever its TTL is; 1 s by
    /// default. At zero, ten questions a second are the most.
    #[must_use]
    pub const fn min_ttl(mut self, ttl: Duration) -> Self {
        self.min_ttl = ttl;
        self
    }

    /// Sets how long an answer with records holds at most; 5 min by default.
    #[must_use]
    pub const fn max_ttl(mut self, ttl: Duration) -> Self {
        self.max_ttl = ttl;
        self
    }

    /// Sets how long an answer without records holds at most; 10 s by default.
    #[must_use]
    pub const fn max_negative_ttl(mut self, ttl: Duration) -> Self {
        self.max_negative_ttl = ttl;
        self
    }

    /// Sets how long an answer may take, with all questions that it needs; 5 s
    /// by default. After it the question is given up and counts as failed.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Returns for how long an answer is let alone.
    pub(super) fn pause(&self, ttl: Option<Duration>, has_records: bool) -> Duration {
        let most = if has_records { self.max_ttl } else { self.max_negative_ttl };
        // The floor may be set above the ceiling: it is the promise not to
        // burden a name server, so it holds.
        ttl.unwrap_or_default().min(most).max(self.min_ttl)
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self::new()
    }
}
