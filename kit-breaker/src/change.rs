use crate::{State, Tally};
use std::{fmt, time::Duration};
use tokio::time::Instant;

/// How a circuit came to be as it is.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Change {
    /// How many changes there were before it: it tells which of two is later.
    pub number: u64,
    /// What it was.
    pub from: State,
    /// What it is.
    pub to: State,
    /// Why.
    pub reason: Reason,
    /// When.
    pub at: Instant,
    /// For how long it opened.
    pub open_for: Option<Duration>,
}

/// Why a circuit changed.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// It was made.
    New,
    /// So many calls failed in a row.
    Failures(u32),
    /// Too many of these failed.
    FailureRate(Tally),
    /// Too many of these were slow.
    SlowRate(Tally),
    /// It was open for long enough.
    CooldownOver,
    /// The probes showed that the service is not well yet.
    ProbeFailed,
    /// The probes had no result for too long.
    ProbeLost,
    /// The probes showed that the service is well again.
    ProbesSucceeded,
    /// Somebody said so.
    Forced,
}

// ===== impl Change =====

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} after {}: {}", self.to, self.from, self.reason)?;
        match self.open_for {
            Some(time) => write!(f, "; a probe may pass in {time:.1?}"),
            None => Ok(()),
        }
    }
}

// ===== impl Reason =====

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => f.write_str("it is new"),
            Self::Failures(1) => f.write_str("a call failed"),
            Self::Failures(failures) => write!(f, "{failures} calls failed in a row"),
            Self::FailureRate(Tally { failures, calls, .. }) => {
                write!(f, "{failures} of {calls} calls failed")
            }
            Self::SlowRate(Tally { slow, calls, .. }) => {
                write!(f, "{slow} of {calls} calls were slow")
            }
            Self::CooldownOver => f.write_str("it was open for long enough"),
            Self::ProbeFailed => f.write_str("a probe failed"),
            Self::ProbeLost => f.write_str("a probe had no result for too long"),
            Self::ProbesSucceeded => f.write_str("the probes succeeded"),
            Self::Forced => f.write_str("somebody said so"),
        }
    }
}
