use crate::{edge::Unread, status};
use kit_endpoint::{Details, Fault, Kind};
use std::{error::Error, fmt, time::Duration};
use tonic::Status;

/// A stream of requests that ends before its time.
///
/// An endpoint that passes it on answers the call with it: the caller's fault
/// where the caller is at fault.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// A message is not what the endpoint takes: the codec says why.
    Decode(Box<dyn Fault>),
    /// No message can be read: malformed, too large, or the peer has left.
    Read(Status),
}

// ===== impl ReadError =====

impl ReadError {
    /// What tonic could not read, if it is that.
    fn unread(&self) -> Option<Unread> {
        match self {
            Self::Decode(_) => None,
            Self::Read(status) => Unread::of(status),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.unread()) {
            (Self::Decode(fault), _) => fault.fmt(f),
            (_, Some(unread)) => unread.fmt(f),
            (Self::Read(_), None) => f.write_str("the stream of requests broke off"),
        }
    }
}

impl Error for ReadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Decode(fault) => fault.source(),
            Self::Read(status) => status.source(),
        }
    }
}

impl Fault for ReadError {
    fn kind(&self) -> Kind {
        match self {
            Self::Decode(fault) => fault.kind(),
            Self::Read(status) => match self.unread() {
                Some(unread) => unread.kind(),
                // What is left is the connection's: who sends has gone.
                None => match status::kind(status) {
                    Some(Kind::Unimplemented) => Kind::Unimplemented,
                    _ => Kind::Cancelled,
                },
            },
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Decode(fault) => fault.retry_after(),
            Self::Read(_) => None,
        }
    }

    fn describe(&self, details: &mut Details) {
        if let Self::Decode(fault) = self {
            fault.describe(details);
        }
    }
}
