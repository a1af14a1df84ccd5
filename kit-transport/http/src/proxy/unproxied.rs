use crate::{Failure, NotConnected, client::is_unprocessed, cut};
use bytes::Bytes;
use http::{Response, StatusCode};
use kit_endpoint::{Details, Expired, Fault, Kind, Problem};
use kit_transport::deadline::BadTimeout;
use std::{error, fmt, time::Duration};

/// Why a request has no reply of the upstream, or not all of one.
#[derive(Debug)]
#[non_exhaustive]
pub enum Unproxied {
    /// There is no connection to the upstream: 502, or 504 where it took too
    /// long.
    NotConnected(NotConnected),
    /// The connection to the upstream broke, before the head of a reply or
    /// after it: 502.
    Upstream(Box<dyn error::Error + Send + Sync>),
    /// The upstream switched to another protocol, unasked: 502.
    Switched,
    /// The upstream did not begin to reply in time: 504.
    TooSlow {
        /// How long the proxy waits for it.
        limit: Duration,
    },
    /// The deadline of the request passed: 504.
    Expired(Expired),
    /// The body of the request broke off: most often the caller is gone.
    Body(Box<dyn error::Error + Send + Sync>),
    /// The deadline of the request cannot be read: 400.
    BadTimeout(BadTimeout),
    /// The path would leave the upstream's base: 400.
    Outside,
    /// What is asked for is a tunnel (`CONNECT`): 405.
    Tunnel,
}

/// Answers a failure with problem details, as [`encode_problem`] does, and under
/// 502 where the upstream is at fault.
///
/// [`encode_problem`]: crate::encode_problem
#[must_use]
pub fn encode_problem(failure: &Failure<'_>) -> Response<Bytes> {
    let fault: &(dyn error::Error + 'static) = failure.fault;
    let mut problem = Problem::new(failure.fault);
    if fault.downcast_ref::<Unproxied>().is_some_and(Unproxied::is_bad_gateway) {
        problem = problem.status(StatusCode::BAD_GATEWAY);
    }
    failure.named(problem).map(Bytes::from)
}

// ===== impl Unproxied =====

impl Unproxied {
    /// Says whether the answer is 502: to HTTP a bad gateway is told apart from
    /// a service that is [`Unavailable`](Kind::Unavailable), which is the kind of
    /// both.
    #[must_use]
    pub fn is_bad_gateway(&self) -> bool {
        self.kind() == Kind::Unavailable
    }

    pub(super) fn upstream(error: Box<dyn error::Error + Send + Sync>) -> Self {
        match NotConnected::find(&*error) {
            Some(fact) => Self::NotConnected(fact.clone()),
            None => Self::Upstream(error),
        }
    }
}

impl fmt::Display for Unproxied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected(fact) => fact.fmt(f),
            Self::Upstream(_) => f.write_str("the connection to the upstream broke"),
            Self::Switched => f.write_str("the upstream switched protocols unasked"),
            Self::TooSlow { limit } => write!(f, "no reply of the upstream within {limit:?}"),
            Self::Expired(fact) => fact.fmt(f),
            Self::Body(source) => cut::say(&**source, "the body of the request broke off", f),
            Self::BadTimeout(fact) => fact.fmt(f),
            Self::Outside => f.write_str("the path has a segment `..`: ask for what is meant"),
            Self::Tunnel => f.write_str("tunnels are not served: send a request"),
        }
    }
}

impl error::Error for Unproxied {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            // Told in its own words, so what follows is its source.
            Self::NotConnected(fact) => error::Error::source(fact),
            Self::Upstream(source) | Self::Body(source) => Some(&**source),
            Self::Switched
            | Self::TooSlow { .. }
            | Self::Expired(_)
            | Self::BadTimeout(_)
            | Self::Outside
            | Self::Tunnel => None,
        }
    }
}

impl Fault for Unproxied {
    fn inner(&self) -> Option<&dyn Fault> {
        match self {
            Self::Expired(fact) => Some(fact),
            Self::BadTimeout(fact) => Some(fact),
            _ => None,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::NotConnected(NotConnected::TimedOut { .. }) | Self::TooSlow { .. } => {
                Kind::DeadlineExceeded
            }
            Self::NotConnected(_) | Self::Upstream(_) | Self::Switched => Kind::Unavailable,
            Self::Expired(fact) => fact.kind(),
            Self::BadTimeout(fact) => fact.kind(),
            Self::Body(source) => cut::kind(&**source),
            Self::Outside => Kind::InvalidArgument,
            Self::Tunnel => Kind::MethodNotAllowed,
        }
    }

    fn refused(&self) -> bool {
        match self {
            Self::NotConnected(_) | Self::BadTimeout(_) | Self::Outside | Self::Tunnel => true,
            Self::Expired(fact) => fact.refused(),
            Self::Upstream(source) => is_unprocessed(&**source),
            Self::Switched | Self::TooSlow { .. } | Self::Body(_) => false,
        }
    }

    fn describe(&self, details: &mut Details) {
        if let Some(inner) = self.inner() {
            inner.describe(details);
        }
    }
}
