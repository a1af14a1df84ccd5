use crate::{edge::Unread, status};
use http::StatusCode;
use kit_endpoint::{Details, Expired, Fault, Kind};
use kit_transport::Phase;
use std::{error::Error, fmt, iter, time::Duration};
use tokio::time::Instant;
use tonic::{Code, ConnectError, Status};
use tonic_types::StatusExt;

/// Why a call over gRPC has no reply.
#[derive(Debug)]
#[non_exhaustive]
pub enum CallError {
    /// The service answered with a status that is not OK, or could not be reached.
    Rejected(Rejection),
    /// The deadline of the request passed first.
    Expired(Expired),
    /// The request could not be written: nothing was sent.
    Encode(Box<dyn Fault>),
    /// The stream of requests failed, and the call was given up with it: some
    /// may have arrived.
    Requests(Box<dyn Fault>),
    /// The reply could not be read: [`Kind::Internal`], whatever the codec
    /// says, since it is not the caller's doing.
    Decode(Box<dyn Fault>),
}

/// A call that the service, or the way to it, answered with a status.
#[derive(Debug, Clone)]
pub struct Rejection {
    status: Status,
    kind: Kind,
    refused: bool,
    phase: Phase,
    said: Option<Said>,
}

/// What the service says, as a source: logs have it, and what an endpoint
/// tells its own callers of the error has not.
#[derive(Debug, Clone)]
struct Said(Box<str>);

// ===== impl Rejection =====

impl Rejection {
    /// The other side answered so.
    pub(super) fn answered(status: Status) -> Self {
        Self::new(status, Phase::Endpoint)
    }

    /// What tonic says when it reads the messages of a reply: that they cannot
    /// be, or what the trailers tell.
    pub(super) fn read(status: Status) -> Self {
        let phase = match status.source() {
            Some(_) => Phase::Send,
            None if Unread::of(&status).is_some() => Phase::Decode,
            None => Phase::Endpoint,
        };
        Self::new(status, phase)
    }

    fn new(status: Status, phase: Phase) -> Self {
        let refused = never_ran(&status);
        let kind = match status::kind(&status) {
            // What broke on the way, and tonic cannot name, is as good as
            // unreachable: gRPC's statuscodes.md asks for UNAVAILABLE.
            Some(Kind::Unknown) if broke(&status) => Kind::Unavailable,
            // tonic says CANCELLED of what was not sent, as though the caller had been
            // the one, or whatever the code of HTTP/2 stands for.
            Some(_) if refused => Kind::Unavailable,
            // gRPC asks for RESOURCE_EXHAUSTED; tonic says OUT_OF_RANGE, and of what is
            // too large unpacked the former, which is also said of quotas.
            Some(kind @ (Kind::OutOfRange | Kind::ResourceExhausted)) => {
                Unread::of(&status).map_or(kind, |unread| unread.kind())
            }
            Some(kind) => kind,
            // OK instead of a message is not a success.
            None => Kind::Internal,
        };
        let said = !status.message().is_empty() && !broke(&status);
        let said = said.then(|| Said(status.message().into()));
        Self { status, kind, refused, phase, said }
    }

    pub(super) fn transport(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Status::from_error(error.into()), Phase::Send)
    }

    pub(super) fn not_grpc(status: StatusCode) -> Self {
        let kind = Kind::from_http_status_of_grpc(status);
        Self::answered(Status::new(
            status::code(kind),
            format!("the reply is not gRPC but HTTP {status}: a proxy, or another port?"),
        ))
    }

    /// Says whether nobody answered the call, though it may have been begun.
    fn gave_up(&self) -> bool {
        !self.refused && (broke(&self.status) || self.status.code() == Code::Cancelled)
    }

    /// Returns the status as it came: code, message, details, metadata.
    #[must_use]
    pub const fn status(&self) -> &Status {
        &self.status
    }

    /// Reads what the other side describes: reason, violations, quotas.
    #[must_use]
    pub fn details(&self) -> Details {
        status::details(&self.status)
    }

    /// Takes the status out.
    #[must_use]
    pub fn into_status(self) -> Status {
        self.status
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if broke(&self.status) {
            f.write_str("cannot reach the service")
        } else {
            write!(f, "the service answered {}", self.kind)
        }
    }
}

impl Error for Rejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.said {
            Some(said) => Some(said),
            None => self.status.source(),
        }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Said {}

impl Fault for Rejection {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn retry_after(&self) -> Option<Duration> {
        self.status.get_details_retry_info().and_then(|info| info.retry_delay)
    }

    fn refused(&self) -> bool {
        self.refused
    }
}

/// Says whether the status was made on this side, of an error: one that came
/// over the wire has no source.
fn broke(status: &Status) -> bool {
    status.source().is_some()
}

/// Without a connection nothing ran, which tonic marks; nor did anything of what hyper
/// gives back unsent, or of a stream that the other side says it did not look at.
fn never_ran(status: &Status) -> bool {
    iter::successors(status.source(), |error| (*error).source())
        .any(|error| error.is::<ConnectError>() || is_unprocessed(error))
}

#[cfg(feature = "channel")]
fn is_unprocessed(error: &(dyn Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        // Of a client: the connection closed before the request was taken from its queue.
        return error.is_canceled();
    }
    let Some(error) = error.downcast_ref::<h2::Error>() else { return false };
    // RFC 9113, sections 8.7 and 6.8: h2 ends by a GOAWAY the streams beyond its last.
    error.is_remote()
        && match error.reason() {
            Some(h2::Reason::REFUSED_STREAM) => true,
            Some(h2::Reason::NO_ERROR) => error.is_go_away(),
            _ => false,
        }
}

#[cfg(not(feature = "channel"))]
const fn is_unprocessed(_: &(dyn Error + 'static)) -> bool {
    false
}

// ===== impl CallError =====

impl CallError {
    pub(super) fn protocol(code: Code, message: &'static str) -> Self {
        Self::Rejected(Rejection::new(Status::new(code, message), Phase::Decode))
    }

    /// The step at which the call failed.
    pub(super) const fn phase(&self) -> Phase {
        match self {
            Self::Rejected(rejection) => rejection.phase,
            Self::Expired(_) => Phase::Send,
            Self::Encode(_) | Self::Requests(_) => Phase::Encode,
            Self::Decode(_) => Phase::Decode,
        }
    }

    /// Says why a call is over that the other side cancelled, or that broke on
    /// the way: after `deadline`, that is why. Who serves a call keeps its
    /// deadline too, and may be first to give it up, by a reset without a word
    /// (gRPC's C-core does, and grpc-go's client judges it the same).
    pub(super) fn or_expired(self, deadline: Option<Instant>) -> Self {
        match self {
            Self::Rejected(rejection)
                if rejection.gave_up() && deadline.is_some_and(|at| at <= Instant::now()) =>
            {
                Expired::new(true).into()
            }
            other => other,
        }
    }

    /// Returns the status that the service answered with, if it did.
    #[must_use]
    pub const fn status(&self) -> Option<&Status> {
        match self {
            Self::Rejected(rejection) => Some(rejection.status()),
            _ => None,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejection) => rejection.fmt(f),
            Self::Expired(expired) => expired.fmt(f),
            Self::Encode(_) => f.write_str("cannot encode the request"),
            Self::Requests(_) => f.write_str("the stream of requests failed"),
            Self::Decode(_) => f.write_str("the reply is not what was asked for"),
        }
    }
}

impl Error for CallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Rejected(rejection) => rejection.source(),
            Self::Expired(expired) => expired.source(),
            Self::Encode(fault) | Self::Requests(fault) | Self::Decode(fault) => Some(&**fault),
        }
    }
}

impl Fault for CallError {
    fn kind(&self) -> Kind {
        match self {
            Self::Rejected(rejection) => rejection.kind(),
            Self::Expired(expired) => expired.kind(),
            Self::Encode(fault) | Self::Requests(fault) => fault.kind(),
            Self::Decode(_) => Kind::Internal,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Rejected(rejection) => rejection.retry_after(),
            _ => None,
        }
    }

    fn refused(&self) -> bool {
        match self {
            Self::Rejected(rejection) => rejection.refused(),
            Self::Expired(expired) => expired.refused(),
            Self::Encode(_) => true,
            Self::Requests(_) | Self::Decode(_) => false,
        }
    }

    /// Tells nothing: what a server says to us is not ours to pass on.
    fn describe(&self, _: &mut Details) {}
}

impl From<Rejection> for CallError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<Expired> for CallError {
    fn from(expired: Expired) -> Self {
        Self::Expired(expired)
    }
}
