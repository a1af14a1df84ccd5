use std::{fmt, sync::Arc};

/// What became of a set of instances, beside the set itself: for a log.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The registry answers, for the first time or again.
    Fresh {
        /// How many instances there are.
        instances: usize,
    },
    /// The registry cannot be asked; the set stays.
    Stale {
        /// Why it cannot.
        error: Arc<str>,
    },
    /// The registry's answer is doubtful; what is missing from it stays.
    Suspect {
        /// What speaks against it.
        doubt: Doubt,
        /// How many instances it does not know any more.
        missing: usize,
    },
    /// The answer is doubtful no more.
    Confirmed {
        /// What confirmed it.
        by: Confirmation,
        /// How many instances were dropped.
        dropped: usize,
    },
    /// The registry could not be asked for longer than a set is kept.
    Expired {
        /// How many instances were dropped.
        dropped: usize,
    },
    /// The set is the one that was kept on disk.
    Restored {
        /// How many instances there are.
        instances: usize,
    },
    /// The set could not be kept on disk, or what is there not be read.
    Disk {
        /// Why not.
        error: Arc<str>,
    },
}

/// What speaks against an answer of a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doubt {
    /// All instances are gone at once: a registry that lost its state says the
    /// same.
    Collapsed,
    /// The registry's index or revision went back: it has lost its state, and
    /// hears of the instances again one by one.
    WentBack,
    /// The name of the service is no longer known where it was known before.
    Unknown,
}

/// What confirmed a doubtful answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Confirmation {
    /// All that was missing came again.
    Reseeded,
    /// All that is missing was probed and does not answer.
    Dead,
    /// The grace is over.
    Grace,
}

// ===== impl Event =====

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fresh { instances } => {
                write!(f, "the registry answers: {instances} instances")
            }
            Self::Stale { error } => {
                write!(f, "the registry cannot be asked, the last set stays: {error}")
            }
            Self::Suspect { doubt, missing } => {
                write!(f, "{doubt}: the {missing} instances that are missing stay for now")
            }
            Self::Confirmed { by: Confirmation::Reseeded, .. } => {
                f.write_str("all instances that were missing came again")
            }
            Self::Confirmed { by: Confirmation::Dead, dropped } => {
                write!(f, "the last {dropped} of the missing instances do not answer either")
            }
            Self::Confirmed { by: Confirmation::Grace, dropped } => {
                write!(f, "{dropped} instances are still missing and are dropped")
            }
            Self::Expired { dropped } => {
                write!(
                    f,
                    "the registry could not be asked for too long: {dropped} instances dropped"
                )
            }
            Self::Restored { instances } => {
                write!(f, "{instances} instances were read from disk, until the registry answers")
            }
            Self::Disk { error } => write!(f, "the copy of the set on disk: {error}"),
        }
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Collapsed => "the registry knows no instance any more",
            Self::WentBack => "the registry begins anew",
            Self::Unknown => "the registry does not know the service any more",
        })
    }
}
