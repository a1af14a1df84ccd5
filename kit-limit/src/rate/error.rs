use super::Rate;
use http::{HeaderName, HeaderValue};
use kit_endpoint::{Details, Fault, Kind};
use std::{
    error,
    fmt::{self, Write},
    sync::Arc,
    time::Duration,
};

/// A limit refused the request: nothing ran.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RateLimited {
    /// Too many came before it.
    Exceeded(Exceeded),
    /// It weighs more than may ever pass at once.
    TooHeavy(TooHeavy),
}

/// Too many came before it: it passes after [`Fault::retry_after`], if nobody
/// else comes first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exceeded {
    policy: Arc<Policy>,
    weight: u32,
    wait: Duration,
    bound: Bound,
}

/// It weighs more than may ever pass at once: to try again is of no use.
///
/// That is the caller's to change, so its kind is
/// [`InvalidArgument`](Kind::InvalidArgument).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooHeavy {
    policy: Arc<Policy>,
    weight: u32,
}

/// What a limit is called, and what it lets through.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Policy {
    pub(super) name: Box<str>,
    pub(super) rate: Rate,
}

/// Why it did not wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    Refusing,
    Longest,
    Deadline,
}

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// The greatest integer of a structured field (RFC 9651).
const GREATEST: u64 = 999_999_999_999_999;

// ===== impl RateLimited =====

impl RateLimited {
    pub(super) fn exceeded(
        policy: &Arc<Policy>,
        weight: u32,
        wait: Duration,
        bound: Bound,
    ) -> Self {
        Self::Exceeded(Exceeded { policy: Arc::clone(policy), weight, wait, bound })
    }

    pub(super) fn too_heavy(policy: &Arc<Policy>, weight: u32) -> Self {
        Self::TooHeavy(TooHeavy { policy: Arc::clone(policy), weight })
    }

    /// Returns the name of the limit.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Exceeded(fact) => &fact.policy.name,
            Self::TooHeavy(fact) => &fact.policy.name,
        }
    }

    const fn fact(&self) -> &dyn Fault {
        match self {
            Self::Exceeded(fact) => fact,
            Self::TooHeavy(fact) => fact,
        }
    }
}

impl fmt::Display for RateLimited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.fact(), f)
    }
}

impl error::Error for RateLimited {}

impl Fault for RateLimited {
    fn inner(&self) -> Option<&dyn Fault> {
        Some(self.fact())
    }
}

// ===== impl Exceeded =====

impl Exceeded {
    /// Says whether it would have waited, had its deadline let it.
    #[must_use]
    pub fn is_by_deadline(&self) -> bool {
        self.bound == Bound::Deadline
    }

    /// Returns how many may pass still: less than it weighs.
    #[must_use]
    pub fn remaining(&self) -> u32 {
        // A lighter one would pass an interval earlier for each one less.
        let (wait, interval) = (self.wait.as_nanos(), self.policy.rate.interval().as_nanos());
        let short = u32::try_from(wait.div_ceil(interval)).unwrap_or(u32::MAX);
        self.weight.saturating_sub(short)
    }
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the rate limit is exceeded: ")?;
        match self.bound {
            Bound::Refusing => write!(f, "try again in {:?}", self.wait),
            Bound::Longest => write!(f, "the wait of {:?} is too long", self.wait),
            Bound::Deadline => write!(f, "the wait of {:?} would pass the deadline", self.wait),
        }
    }
}

impl error::Error for Exceeded {}

impl Fault for Exceeded {
    fn kind(&self) -> Kind {
        Kind::ResourceExhausted
    }

    fn retry_after(&self) -> Option<Duration> {
        Some(self.wait)
    }

    fn refused(&self) -> bool {
        true
    }

    fn describe(&self, details: &mut Details) {
        self.policy.describe(details, "RATE_LIMITED");
        let seconds = self.wait.as_secs() + u64::from(self.wait.subsec_nanos() > 0);
        let limit = format!("{};r={};t={}", self.policy.item(), self.remaining(), seconds);
        if let Ok(limit) = HeaderValue::try_from(limit) {
            details.header(RATE_LIMIT, limit);
        }
    }
}

// ===== impl TooHeavy =====

impl TooHeavy {
    /// Returns what the request weighs.
    #[must_use]
    pub const fn weight(&self) -> u32 {
        self.weight
    }

    /// Returns the greatest weight that may pass.
    #[must_use]
    pub fn burst(&self) -> u32 {
        self.policy.rate.burst_size()
    }
}

impl fmt::Display for TooHeavy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (weight, burst) = (self.weight, self.burst());
        write!(f, "a request of weight {weight} can never pass a rate limit of {burst} at once")
    }
}

impl error::Error for TooHeavy {}

impl Fault for TooHeavy {
    fn kind(&self) -> Kind {
        Kind::InvalidArgument
    }

    fn refused(&self) -> bool {
        true
    }

    fn describe(&self, details: &mut Details) {
        self.policy.describe(details, "WEIGHT_ABOVE_BURST");
    }
}

// ===== impl Policy =====

impl Policy {
    fn describe(&self, details: &mut Details, reason: &'static str) {
        let Self { name, rate } = self;
        details.reason(reason).domain("kit");
        if !name.is_empty() {
            details.metadata("limit", &**name);
        }
        details.quota(format!("limit:{name}"), format!("at most {rate}"));
        let (quota, window) = rate.per_window();
        let mut policy = format!("{};q={};w={window}", self.item(), quota.min(GREATEST));
        if u64::from(rate.burst_size()) != quota {
            // Writing to a `String` cannot fail.
            let _ = write!(policy, ";kit-burst={}", rate.burst_size());
        }
        if let Ok(policy) = HeaderValue::try_from(policy) {
            details.header(RATE_LIMIT_POLICY, policy);
        }
    }

    /// Returns the name as a String of a structured field (RFC 9651).
    fn item(&self) -> String {
        if self.name.is_empty() {
            return "\"default\"".to_owned();
        }
        let mut item = String::with_capacity(self.name.len() + 2);
        item.push('"');
        for char in self.name.chars() {
            match char {
                '"' | '\\' => item.extend(['\\', char]),
                ' '..='~' => item.push(char),
                // It has no other characters.
                _ => item.push('?'),
            }
        }
        item.push('"');
        item
    }
}
