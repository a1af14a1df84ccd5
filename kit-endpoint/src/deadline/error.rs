use crate::{Fault, Kind};
use std::{error, fmt};

/// The deadline passed, or is too near to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expired {
    pub(super) ran: bool,
}

// ===== impl Expired =====

impl Expired {
    /// States the fact, for who keeps a deadline elsewhere: a transport. `ran`
    /// says whether the work had begun.
    #[must_use]
    pub const fn new(ran: bool) -> Self {
        Self { ran }
    }

    /// Says whether the work had begun. If not, nothing ran at all.
    #[must_use]
    pub const fn ran(&self) -> bool {
        self.ran
    }
}

impl fmt::Display for Expired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.ran {
            "the deadline passed before the reply was ready"
        } else {
            "too little time was left to begin: allow more, or call earlier"
        })
    }
}

impl error::Error for Expired {}

impl Fault for Expired {
    fn kind(&self) -> Kind {
        Kind::DeadlineExceeded
    }

    fn refused(&self) -> bool {
        !self.ran
    }
}
