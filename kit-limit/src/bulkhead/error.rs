use kit_endpoint::{Details, Fault, Kind};
use std::{error, fmt, time::Duration};

/// As many calls are in flight as there may be, and there was no waiting for a
/// place: the request was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BulkheadFull {
    pub(super) refusal: Refusal,
    pub(super) retry_after: Option<Duration>,
}

/// Why a request got no place in a bulkhead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The queue was full, of requests that are no less critical; or there is none.
    Full,
    /// It waited as long as it may.
    TimedOut,
    /// It waited, and gave way to one that is more critical.
    Displaced,
    /// Its deadline passed while it waited.
    Expired,
}

// ===== impl BulkheadFull =====

impl BulkheadFull {
    /// Says why.
    #[must_use]
    pub const fn refusal(&self) -> Refusal {
        self.refusal
    }
}

impl fmt::Display for BulkheadFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.refusal {
            Refusal::Full => "too many calls are in flight and waiting",
            Refusal::TimedOut => "the call waited too long for its turn",
            Refusal::Displaced => "the call gave way to a more critical one",
            Refusal::Expired => "the deadline passed while the call waited for its turn",
        };
        match self.retry_after {
            Some(after) => write!(f, "{why}: try again in {after:?}"),
            None => f.write_str(why),
        }
    }
}

impl error::Error for BulkheadFull {}

impl Fault for BulkheadFull {
    fn kind(&self) -> Kind {
        match self.refusal {
            Refusal::Expired => Kind::DeadlineExceeded,
            _ => Kind::Unavailable,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    fn refused(&self) -> bool {
        true
    }

    fn describe(&self, details: &mut Details) {
        details.reason(self.refusal.reason()).domain("kit");
    }
}

// ===== impl Refusal =====

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Full, Self::TimedOut, Self::Displaced, Self::Expired];

    /// Returns the name, as metrics have it: `timed-out`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::TimedOut => "timed-out",
            Self::Displaced => "displaced",
            Self::Expired => "expired",
        }
    }

    const fn reason(self) -> &'static str {
        match self {
            Self::Full => "BULKHEAD_FULL",
            Self::TimedOut => "BULKHEAD_TIMED_OUT",
            Self::Displaced => "BULKHEAD_DISPLACED",
            Self::Expired => "BULKHEAD_EXPIRED",
        }
    }
}
