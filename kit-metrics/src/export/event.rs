use std::fmt;

/// What became of the exports: for a log. It is said once for each change, not
/// at each tick.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// An export failed, after one that did not, or for another reason.
    Failing {
        /// Why it failed, with all that caused it.
        error: String,
    },
    /// An export succeeded again.
    Recovered {
        /// How many in a row had failed.
        failures: u64,
    },
}

// ===== impl Event =====

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failing { error } => write!(f, "the export fails: {error}"),
            Self::Recovered { failures } => {
                write!(f, "the export succeeds again, after {failures} failures")
            }
        }
    }
}
