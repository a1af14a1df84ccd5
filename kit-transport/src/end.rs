use http::StatusCode;
use kit_endpoint::Kind;
use std::{fmt, time::Duration};

/// How a request ended, and what it cost.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct End {
    /// How it ended.
    pub outcome: Outcome,
    /// The HTTP status, if a head was made or, at a client, came. Over gRPC it is 200 for failures
    /// too; the code is that of the outcome's kind.
    pub status: Option<StatusCode>,
    /// Bytes of the body that came: at a server the request's, as far as it was
    /// read; at a client the reply's.
    pub received: u64,
    /// Bytes of the body that went out: at a server the reply's, as far as the
    /// connection took it; at a client the request's.
    pub sent: u64,
    /// From the head of the request to the end.
    pub duration: Duration,
    /// What the fault says, with all its sources: for logs, never for callers.
    pub error: Option<Box<str>>,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The reply was sent to its last byte; at a client, it came and was read.
    Replied,
    /// The request failed, and the failure was answered; at a client, the call
    /// has no reply.
    Failed(Kind),
    /// The peer left, or the request was dropped, before the end.
    Cancelled,
}

/// What carries a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// HTTP messages, of whichever version.
    Http,
    /// gRPC.
    Grpc,
}

// ===== impl Outcome =====

impl Outcome {
    /// Returns the kind of failure; a request that was taken back is
    /// [`Kind::Cancelled`].
    #[must_use]
    pub const fn kind(self) -> Option<Kind> {
        match self {
            Self::Replied => None,
            Self::Failed(kind) => Some(kind),
            Self::Cancelled => Some(Kind::Cancelled),
        }
    }
}

impl fmt::Display for Outcome {
    /// Writes `OK`, or the name of the kind.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.kind().map_or("OK", Kind::name))
    }
}

// ===== impl Protocol =====

impl Protocol {
    /// Returns the name: `http`, `grpc`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Grpc => "grpc",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
