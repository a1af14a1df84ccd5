use crate::cut;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use kit_endpoint::{Details, Fault, Kind, Problem};
use kit_transport::{RequestId, TraceId};
use std::{borrow::Cow, convert::Infallible, error, fmt, time::Duration};

type Source = Box<dyn error::Error + Send + Sync>;

/// The request could not be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum DecodeError {
    /// The body broke off, or the connection did; or a limit around the server ended it,
    /// which is a [`BodyCut`](kit_endpoint::BodyCut) among the sources, or http-body-util's.
    Body(Source),
    /// The body is larger than the server takes.
    TooLarge {
        /// The most it takes, in bytes.
        limit: usize,
    },
    /// The body did not come to its end in time.
    TooSlow {
        /// How long the server waits for it.
        limit: Duration,
    },
    /// The body is of a media type that is not read here.
    UnsupportedMediaType {
        /// The media types that are, with commas.
        read: String,
    },
    /// A part of the request is not what the endpoint takes.
    Malformed {
        /// Which part: `"body"`, `"path"`, `"query"`.
        part: &'static str,
        /// The path to the field that is wrong (`"address.lines[0]"`), where it
        /// is known.
        field: Option<String>,
        /// What is wrong with it, and what to do about it.
        message: Cow<'static, str>,
    },
}

/// The reply could not be written.
#[derive(Debug)]
pub struct EncodeError(Source);

/// What an error encoder gets: the fault, and what it may tell of the request.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Failure<'a> {
    /// Why the request failed.
    pub fault: &'a dyn Fault,
    /// The id of the request, if a hook gave it one.
    pub request_id: Option<&'a RequestId>,
    /// The trace of the request, if something put its id among the extensions.
    pub trace_id: Option<TraceId>,
}

/// Decodes nothing: for an endpoint that asks nothing of its request (Go kit's
/// `NopRequestDecoder`).
///
/// # Errors
///
/// Never.
#[must_use = "it decodes a request"]
pub const fn nothing(_: &Request<Bytes>) -> Result<(), Infallible> {
    Ok(())
}

/// Answers a failure with problem details (RFC 9457): the default encoder.
///
/// `instance` names the id of the request, as a fragment (`#01a2…`), and `traceId` its
/// trace. A fault of the service shows no more than the phrase of its kind.
#[must_use]
pub fn encode_problem(failure: &Failure<'_>) -> Response<Bytes> {
    failure.named(Problem::new(failure.fault)).map(Bytes::from)
}

// ===== impl Failure =====

impl Failure<'_> {
    /// Writes `problem`, with the names of the request.
    pub(crate) fn named(&self, problem: Problem<'_>) -> Response<String> {
        // An id is no URI reference (it may look like one with a scheme), but every
        // byte of it may stand in a fragment.
        let instance = self.request_id.map(|id| format!("#{id}"));
        let trace_id = self.trace_id.map(|id| id.to_string());
        // Of a shorter life than who made it.
        let mut problem: Problem<'_> = problem;
        if let Some(instance) = &instance {
            problem = problem.instance(instance);
        }
        if let Some(trace_id) = &trace_id {
            problem = problem.trace_id(trace_id);
        }
        problem.into_response()
    }
}

// ===== impl DecodeError =====

impl DecodeError {
    /// Says that `part` of the request is wrong.
    pub fn malformed(part: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::Malformed { part, field: None, message: message.into() }
    }

    /// Says that a field in `part` of the request is wrong: what
    /// [`Details::violation`] gets.
    pub fn malformed_field(
        part: &'static str,
        field: impl Into<String>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::Malformed { part, field: Some(field.into()), message: message.into() }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Body(source) => cut::say(&**source, "the body of the request broke off", f),
            Self::TooLarge { limit } => {
                write!(f, "the body is too large: send at most {limit} bytes")
            }
            Self::TooSlow { limit } => {
                write!(f, "the body did not come within {limit:?}: send it faster, or in parts")
            }
            Self::UnsupportedMediaType { read } => {
                write!(f, "the body is of a type that is not read here: send one of {read}")
            }
            Self::Malformed { part, field: None, message } => {
                write!(f, "cannot read the {part}: {message}")
            }
            Self::Malformed { part, field: Some(field), message } => {
                write!(f, "cannot read `{field}` in the {part}: {message}")
            }
        }
    }
}

impl error::Error for DecodeError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Body(source) => Some(&**source),
            Self::TooLarge { .. }
            | Self::TooSlow { .. }
            | Self::UnsupportedMediaType { .. }
            | Self::Malformed { .. } => None,
        }
    }
}

impl Fault for DecodeError {
    fn kind(&self) -> Kind {
        match self {
            Self::TooLarge { .. } => Kind::PayloadTooLarge,
            Self::TooSlow { .. } => Kind::DeadlineExceeded,
            // Most often the peer is gone, and nobody hears the answer.
            Self::Body(source) => cut::kind(&**source),
            Self::UnsupportedMediaType { .. } => Kind::UnsupportedMediaType,
            Self::Malformed { .. } => Kind::InvalidArgument,
        }
    }

    fn refused(&self) -> bool {
        true
    }

    fn describe(&self, details: &mut Details) {
        match self {
            Self::Malformed { part, field, message } => {
                let field = field.clone().map_or(Cow::Borrowed(*part), Cow::Owned);
                details.violation(field, message.clone());
            }
            // RFC 9110, section 15.5.16: in a reply, `Accept` is what to send.
            Self::UnsupportedMediaType { read } => {
                if let Ok(read) = HeaderValue::from_str(read) {
                    details.header(header::ACCEPT, read);
                }
            }
            Self::Body(_) | Self::TooLarge { .. } | Self::TooSlow { .. } => {}
        }
    }
}

// ===== impl EncodeError =====

impl EncodeError {
    /// Says why a reply could not be written.
    pub fn new(source: impl Into<Source>) -> Self {
        Self(source.into())
    }
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot encode the message")
    }
}

impl error::Error for EncodeError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&*self.0)
    }
}

impl Fault for EncodeError {
    fn kind(&self) -> Kind {
        Kind::Internal
    }
}
