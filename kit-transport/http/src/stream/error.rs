use crate::cut;
use kit_endpoint::{Details, Fault, Kind};
use std::{borrow::Cow, error, fmt};

/// A stream that ends before its time.
///
/// An endpoint that passes it on answers the call with it: the caller's fault
/// where the caller is at fault. The end of a stream is not an error.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The peer left, or the connection broke, before the end; or a limit around the
    /// server cut it, as [`DecodeError::Body`](crate::DecodeError::Body) tells.
    BrokeOff(Box<dyn error::Error + Send + Sync>),
    /// An item is longer than what is taken.
    TooLong {
        /// The line of the body, from 1 on.
        line: u64,
        /// The most an item may have, in bytes.
        limit: usize,
    },
    /// An item is not what is read here.
    Malformed {
        /// The line of the body, from 1 on.
        line: u64,
        /// The path to the field that is wrong (`"address.lines[0]"`), where it
        /// is known.
        field: Option<String>,
        /// What is wrong with it.
        message: Cow<'static, str>,
    },
}

// ===== impl ReadError =====

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BrokeOff(source) => cut::say(&**source, "the stream broke off before its end", f),
            Self::TooLong { line, limit } => {
                write!(f, "line {line} is too long: an item may have at most {limit} bytes")
            }
            Self::Malformed { line, field: None, message } => {
                write!(f, "cannot read line {line}: {message}")
            }
            Self::Malformed { line, field: Some(field), message } => {
                write!(f, "cannot read `{field}` in line {line}: {message}")
            }
        }
    }
}

impl error::Error for ReadError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::BrokeOff(source) => Some(&**source),
            Self::TooLong { .. } | Self::Malformed { .. } => None,
        }
    }
}

impl Fault for ReadError {
    fn kind(&self) -> Kind {
        match self {
            Self::BrokeOff(source) => cut::kind(&**source),
            Self::TooLong { .. } => Kind::PayloadTooLarge,
            Self::Malformed { .. } => Kind::InvalidArgument,
        }
    }

    fn describe(&self, details: &mut Details) {
        if let Self::Malformed { line, field, message } = self {
            let field = field.clone().map_or(Cow::Borrowed("body"), Cow::Owned);
            details.violation(field, format!("line {line}: {message}"));
        }
    }
}
