use crate::EncodeError;
use kit_endpoint::{Details, Fault, Kind};
use std::{error, fmt};

/// A template that could not be filled: see [`Template::uri`](super::Template::uri).
#[derive(Debug)]
#[non_exhaustive]
pub enum Unfilled {
    /// The message has no such parameter.
    Missing {
        /// Its name.
        name: String,
    },
    /// The parameter would make another path: it is empty, or `.` or `..`, or
    /// has such a segment.
    Segment {
        /// Its name.
        name: String,
    },
    /// The message is no set of parameters, or what they and the template and
    /// the base make up is no URI.
    Encode(EncodeError),
}

// ===== impl Unfilled =====

impl Unfilled {
    pub(super) fn encode(source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        Self::Encode(EncodeError::new(source))
    }
}

impl fmt::Display for Unfilled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { name } => write!(f, "the parameter {name} is missing"),
            Self::Segment { name } => {
                write!(f, "the parameter {name} is no segment of a path: it is empty, `.` or `..`")
            }
            Self::Encode(error) => error.fmt(f),
        }
    }
}

impl error::Error for Unfilled {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Missing { .. } | Self::Segment { .. } => None,
            Self::Encode(error) => error.source(),
        }
    }
}

impl Fault for Unfilled {
    fn kind(&self) -> Kind {
        match self {
            // The message's type lacks it, whatever the caller says.
            Self::Missing { .. } => Kind::Internal,
            Self::Segment { .. } => Kind::InvalidArgument,
            Self::Encode(error) => error.kind(),
        }
    }

    fn refused(&self) -> bool {
        true
    }

    fn describe(&self, details: &mut Details) {
        if let Self::Segment { name } = self {
            details.violation(name.clone(), "it is empty, `.` or `..`");
        }
    }
}
