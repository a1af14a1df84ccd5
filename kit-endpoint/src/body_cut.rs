use crate::{Fault, Kind};
use std::{error, fmt};

/// A limit around the service ended the body of a request: it is among the sources of the
/// error with which the body ends.
///
/// Who limits bodies puts it there, as kit-serve does, and who reads them finds it, so
/// that the failure has its own kind and is not taken for a caller that left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyCut {
    /// It is larger than what is taken.
    TooLarge,
    /// It came too slowly.
    TooSlow,
}

// ===== impl BodyCut =====

impl fmt::Display for BodyCut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the body is larger than what is taken here: send less",
            Self::TooSlow => "the body came too slowly: send it faster, or in parts",
        })
    }
}

impl error::Error for BodyCut {}

impl Fault for BodyCut {
    fn kind(&self) -> Kind {
        match self {
            Self::TooLarge => Kind::PayloadTooLarge,
            Self::TooSlow => Kind::DeadlineExceeded,
        }
    }
}
