use std::{error, fmt, sync::Arc, time::Duration};

/// No connection came to stand, so nothing was sent.
///
/// A [`Pool`](crate::Pool) fails with it; so may any other service that a
/// [`Client`](crate::Client) calls over: wherever it stands in the `source()`
/// chain, the client's error is [`CallError::NotConnected`](crate::CallError),
/// which is free to be tried elsewhere.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum NotConnected {
    /// The name has no address, or nobody listens there, or there is no way.
    Unreachable(Arc<dyn error::Error + Send + Sync>),
    /// There is no TLS with this server: its certificate is not trusted, is
    /// another's, or it speaks none.
    Tls(Arc<dyn error::Error + Send + Sync>),
    /// It took too long: to find the name's addresses, to connect, or to agree
    /// on TLS.
    TimedOut {
        /// How long the pool waits for all of it.
        limit: Duration,
    },
    /// The URI is neither `http://` nor, with TLS, `https://`.
    Scheme,
}

// ===== impl NotConnected =====

impl NotConnected {
    /// Finds the fact among an error and its sources.
    pub(crate) fn find<'a>(error: &'a (dyn error::Error + 'static)) -> Option<&'a Self> {
        std::iter::successors(Some(error), |error| error.source())
            .find_map(|error| error.downcast_ref())
    }
}

impl fmt::Display for NotConnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(_) => f.write_str("cannot connect to the server"),
            Self::Tls(_) => f.write_str("cannot agree on TLS with the server"),
            Self::TimedOut { limit } => {
                write!(f, "no connection to the server within {limit:?}")
            }
            Self::Scheme => {
                f.write_str("the scheme is not spoken: call http://, or https:// with TLS")
            }
        }
    }
}

impl error::Error for NotConnected {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Unreachable(source) | Self::Tls(source) => Some(&**source),
            Self::TimedOut { .. } | Self::Scheme => None,
        }
    }
}
