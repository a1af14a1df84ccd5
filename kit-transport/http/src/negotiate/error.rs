use kit_endpoint::{Fault, Kind};
use std::{error, fmt};

/// Why a server of several formats did not read a request: `E` is the error of
/// its decoder.
#[derive(Debug)]
#[non_exhaustive]
pub enum Declined<E> {
    /// The caller takes none of the formats.
    NotAcceptable {
        /// The media types that are written, with commas.
        written: String,
    },
    /// The request could not be decoded.
    Decode(E),
}

// ===== impl Declined =====

impl<E: fmt::Display> fmt::Display for Declined<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAcceptable { written } => {
                write!(f, "no reply is of a type that you accept: accept one of {written}")
            }
            Self::Decode(error) => error.fmt(f),
        }
    }
}

impl<E: error::Error> error::Error for Declined<E> {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::NotAcceptable { .. } => None,
            Self::Decode(error) => error.source(),
        }
    }
}

impl<E: Fault> Fault for Declined<E> {
    fn inner(&self) -> Option<&dyn Fault> {
        match self {
            Self::NotAcceptable { .. } => None,
            Self::Decode(fault) => Some(fault),
        }
    }

    fn kind(&self) -> Kind {
        self.inner().map_or(Kind::NotAcceptable, Fault::kind)
    }

    fn refused(&self) -> bool {
        self.inner().is_none_or(Fault::refused)
    }
}
