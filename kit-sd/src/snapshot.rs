use crate::{Doubt, Instance};
use std::sync::Arc;
use tokio::time::Instant;

/// A set of instances, and how fresh it is.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Snapshot {
    /// The instances, sorted by id and address. Those that did not change are
    /// shared with the set before.
    pub instances: Arc<[Arc<Instance>]>,
    /// How fresh the set is.
    pub state: State,
    /// Counts the sets: 0 before the first, one more for each that differs.
    pub revision: u64,
    /// Counts the failures to ask the registry.
    pub failures: u64,
}

/// How fresh a set of instances is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// No answer has come yet; the error is the last reason.
    NeverSeen {
        /// Why there is no answer, once one try has failed.
        error: Option<Arc<str>>,
    },
    /// The registry said so, and is being watched.
    Fresh,
    /// The registry cannot be asked; the set is the last one it told.
    Stale {
        /// When the first try failed.
        since: Instant,
        /// Why the last one did.
        error: Arc<str>,
    },
    /// The registry answers, and its answer is doubtful: what is missing from
    /// it is still in the set.
    Suspect {
        /// When the doubt began.
        since: Instant,
        /// What it is.
        doubt: Doubt,
        /// How many instances of the set are not in the answer.
        missing: usize,
    },
}

// ===== impl Snapshot =====

impl Snapshot {
    /// Whether there is nothing to see here that is not in the other.
    pub(crate) fn is_as(&self, other: &Self) -> bool {
        self.revision == other.revision
            && self.failures == other.failures
            && self.state == other.state
    }
}

// ===== impl State =====

impl State {
    /// Returns its name: `fresh`, `stale`, `suspect` or `never_seen`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NeverSeen { .. } => "never_seen",
            Self::Fresh => "fresh",
            Self::Stale { .. } => "stale",
            Self::Suspect { .. } => "suspect",
        }
    }

    /// Says whether the registry answers: the set is fresh, or suspect.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        matches!(self, Self::Fresh | Self::Suspect { .. })
    }

    /// Returns why the registry could not be asked, if it could not.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::NeverSeen { error } => error.as_deref(),
            Self::Fresh | Self::Suspect { .. } => None,
            Self::Stale { error, .. } => Some(error),
        }
    }
}

impl Default for State {
    fn default() -> Self {
        Self::NeverSeen { error: None }
    }
}
