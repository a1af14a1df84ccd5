use kit_endpoint::{Fault, Kind};
use std::{error, fmt, iter, time::Duration};

/// No endpoint to choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoEndpoints(pub(crate) ());

/// The instance could not be registered.
#[derive(Debug)]
#[non_exhaustive]
pub enum NotRegistered<E> {
    /// The registry refused, or could not be reached.
    Registry(E),
    /// The registry did not answer in this time.
    TimedOut(Duration),
    /// The instance was not ready, and nobody is left to say that it is.
    NeverReady,
    /// The service's own check failed.
    Failing(Box<dyn error::Error + Send + Sync>),
}

/// The instance could not be deregistered: it is found until its check fails
/// for long enough.
#[derive(Debug)]
pub struct NotDeregistered(pub(crate) Box<dyn error::Error + Send + Sync>);

// ===== impl NoEndpoints =====

impl fmt::Display for NoEndpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no instance of the service is known: see that one is registered and passing")
    }
}

impl error::Error for NoEndpoints {}

impl Fault for NoEndpoints {
    fn kind(&self) -> Kind {
        Kind::Unavailable
    }

    fn refused(&self) -> bool {
        true
    }
}

// ===== impl NotRegistered =====

impl<E> fmt::Display for NotRegistered<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(_) => f.write_str("the registry did not take the instance"),
            Self::TimedOut(limit) => write!(f, "the registry did not answer within {limit:?}"),
            Self::NeverReady => f.write_str("the instance was not ready and will not be"),
            Self::Failing(_) => f.write_str("the instance's own check failed"),
        }
    }
}

impl<E: error::Error + 'static> error::Error for NotRegistered<E> {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Registry(error) => Some(error),
            Self::Failing(error) => Some(&**error),
            Self::TimedOut(_) | Self::NeverReady => None,
        }
    }
}

// ===== impl NotDeregistered =====

impl fmt::Display for NotDeregistered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the instance is still registered: it is found until its check has failed")
    }
}

impl error::Error for NotDeregistered {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&*self.0)
    }
}

/// Writes an error with all its sources: what a status shows to a human.
pub(crate) fn chain(error: &(dyn error::Error + 'static)) -> String {
    let errors: Vec<_> =
        iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect();
    errors.join(": ")
}
