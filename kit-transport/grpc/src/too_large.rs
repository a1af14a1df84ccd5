use kit_endpoint::{Fault, Kind};
use std::{error::Error, fmt};

/// A message is larger than what may be sent.
#[derive(Debug)]
pub(crate) struct TooLarge {
    bytes: usize,
    limit: usize,
    /// It is the request of a call, of which nothing ran.
    unsent: bool,
}

// ===== impl TooLarge =====

impl TooLarge {
    /// Checks a request of so many bytes, before any compression.
    pub(crate) fn request(bytes: usize, limit: usize) -> Result<(), Self> {
        if bytes > limit { Err(Self { bytes, limit, unsent: true }) } else { Ok(()) }
    }

    /// Checks a reply of so many bytes, before any compression.
    pub(crate) fn reply(bytes: usize, limit: usize) -> Result<(), Self> {
        if bytes > limit { Err(Self { bytes, limit, unsent: false }) } else { Ok(()) }
    }
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the message has {} bytes: at most {} are sent", self.bytes, self.limit)
    }
}

impl Error for TooLarge {}

impl Fault for TooLarge {
    fn kind(&self) -> Kind {
        Kind::PayloadTooLarge
    }

    fn refused(&self) -> bool {
        self.unsent
    }
}
