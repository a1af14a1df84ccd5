use super::{NotConnected, ReceivedProblem, is_unprocessed, retry_after};
use crate::gathered::Ungathered;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, response::Parts};
use kit_endpoint::{Details, Expired, Fault, Kind};
use std::{error, fmt, time::Duration};

/// Why a call over HTTP has no reply.
#[derive(Debug)]
#[non_exhaustive]
pub enum CallError {
    /// The message could not be encoded: nothing was sent.
    Encode(Box<dyn Fault>),
    /// No connection came to stand: nothing was sent.
    NotConnected(NotConnected),
    /// The deadline passed first.
    Expired(Expired),
    /// The request could not be sent, or no head of a reply came. It is refused where
    /// hyper gave it back unsent, or an HTTP/2 server said that it did not look at it (by
    /// `REFUSED_STREAM`, or a GOAWAY), which is known with the feature `client`.
    Send(Box<dyn error::Error + Send + Sync>),
    /// The reply broke off.
    Body(Box<dyn error::Error + Send + Sync>),
    /// The reply is larger than the client takes.
    TooLarge {
        /// The most it takes, in bytes.
        limit: usize,
    },
    /// The server answered with a failure.
    Rejected(Rejection),
    /// The reply is not what was asked for.
    Decode(Box<dyn Fault>),
}

/// A reply of 400 and above, or below 200 or a redirect, read.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Rejection {
    /// The status.
    pub status: StatusCode,
    /// The kind: the exact one, if the server names it in its problem details,
    /// else the one that the status stands for.
    pub kind: Kind,
    /// What the server says about it, if it sent problem details.
    pub detail: Option<String>,
    /// When to try again, if `Retry-After` says so, in seconds or by a date,
    /// which is held against the reply's own `Date`.
    pub retry_after: Option<Duration>,
    /// All of the problem details, if it sent some, and the feature `json` is
    /// on.
    pub problem: Option<Box<ReceivedProblem>>,
}

// ===== impl CallError =====

impl CallError {
    /// Tells what failed before a head came: to connect, or later.
    pub(super) fn unsent(error: Box<dyn error::Error + Send + Sync>) -> Self {
        match NotConnected::find(&*error) {
            Some(fact) => Self::NotConnected(fact.clone()),
            None => Self::Send(error),
        }
    }

    /// Tells why the body of a reply, of up to `limit` bytes, could not be read.
    pub(super) fn unread(error: Ungathered, limit: usize) -> Self {
        match error {
            Ungathered::TooLarge => Self::TooLarge { limit },
            Ungathered::Broken(error) => Self::Body(error),
        }
    }
}

/// What a failure says. It is one even if its body cannot be read.
pub(super) fn rejection(head: &Parts, body: Result<Bytes, Ungathered>) -> CallError {
    let body = body.unwrap_or_default();
    CallError::Rejected(Rejection::new(head.status, &head.headers, &body))
}

/// So that a `DeadlineLayer` goes around a client.
impl From<Expired> for CallError {
    fn from(fact: Expired) -> Self {
        Self::Expired(fact)
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encode(_) => f.write_str("cannot encode the request"),
            Self::NotConnected(fact) => fact.fmt(f),
            Self::Expired(fact) => fact.fmt(f),
            Self::Send(_) => f.write_str("cannot reach the server"),
            Self::Body(_) => f.write_str("the reply broke off"),
            Self::TooLarge { limit } => write!(f, "the reply has more than {limit} bytes"),
            Self::Rejected(rejection) => rejection.fmt(f),
            Self::Decode(_) => f.write_str("the reply is not what was asked for"),
        }
    }
}

impl error::Error for CallError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Encode(fault) | Self::Decode(fault) => Some(&**fault),
            Self::Send(source) | Self::Body(source) => Some(&**source),
            // Told in their own words, so what follows is their source.
            Self::NotConnected(fact) => error::Error::source(fact),
            Self::Expired(fact) => error::Error::source(fact),
            Self::Rejected(rejection) => error::Error::source(rejection),
            Self::TooLarge { .. } => None,
        }
    }
}

impl Fault for CallError {
    fn kind(&self) -> Kind {
        match self {
            Self::Encode(fault) => fault.kind(),
            Self::NotConnected(_) | Self::Send(_) | Self::Body(_) => Kind::Unavailable,
            Self::Expired(fact) => fact.kind(),
            Self::TooLarge { .. } | Self::Decode(_) => Kind::Internal,
            Self::Rejected(rejection) => rejection.kind,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Rejected(rejection) => rejection.retry_after,
            _ => None,
        }
    }

    fn refused(&self) -> bool {
        match self {
            Self::Encode(_) | Self::NotConnected(_) => true,
            Self::Expired(fact) => fact.refused(),
            Self::Send(source) => is_unprocessed(&**source),
            _ => false,
        }
    }

    /// Tells nothing: what a server says to us is not ours to pass on.
    fn describe(&self, _: &mut Details) {}
}

// ===== impl Rejection =====

impl Rejection {
    /// Reads the failure that a reply tells of.
    #[must_use]
    pub fn new(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let problem = ReceivedProblem::read(headers, body);
        let named = problem.as_ref().and_then(|problem| problem.kind.as_deref()?.parse().ok());
        let kind = named.or_else(|| Kind::from_http_status(status)).unwrap_or(Kind::Unknown);
        let detail = problem.as_ref().and_then(|problem| problem.detail.clone());
        let retry_after = retry_after::read(headers);
        Self { status, kind, detail, retry_after, problem: problem.map(Box::new) }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server answered {}", self.status)
    }
}

/// What the server says is a source: logs have it, and what an endpoint tells
/// its own callers of this error has not.
impl error::Error for Rejection {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        let problem = self.problem.as_deref().filter(|problem| problem.detail.is_some());
        problem.map(|problem| problem as _)
    }
}
