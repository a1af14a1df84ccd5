use std::fmt;

/// What a circuit lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Everything: the service is well.
    Closed,
    /// Nothing: the service failed, and is left alone.
    Open,
    /// A few calls, to see whether the service is well again.
    HalfOpen,
    /// Nothing, until somebody says otherwise.
    ForcedOpen,
    /// Everything, until somebody says otherwise; nothing is counted.
    ForcedClosed,
    /// Everything, until somebody says otherwise; what is counted opens nothing.
    MetricsOnly,
}

// ===== impl State =====

impl State {
    /// Returns the name: `closed`, `open`, `half-open`, `forced-open`,
    /// `forced-closed`, `metrics-only`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
            Self::ForcedOpen => "forced-open",
            Self::ForcedClosed => "forced-closed",
            Self::MetricsOnly => "metrics-only",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
