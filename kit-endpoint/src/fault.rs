use crate::{Details, Kind};
use std::{convert::Infallible, error::Error, time::Duration};

/// An error that an endpoint may return, and a transport can encode.
///
/// An enum over the facts of its layers needs one arm, in
/// [`inner`](Self::inner): all that is not said here is asked there.
///
/// ```
/// use kit_endpoint::{Fault, Kind};
///
/// #[derive(Debug, thiserror::Error)]
/// enum Error {
///     #[error("the name is empty: say whom to greet")]
///     EmptyName,
///     #[error(transparent)]
///     Expired(#[from] kit_endpoint::Expired),
/// }
///
/// impl Fault for Error {
///     fn inner(&self) -> Option<&dyn Fault> {
///         match self {
///             Self::EmptyName => None,
///             Self::Expired(fact) => Some(fact),
///         }
///     }
///
///     fn kind(&self) -> Kind {
///         self.inner().map_or(Kind::InvalidArgument, Fault::kind)
///     }
/// }
///
/// assert_eq!(Error::EmptyName.kind(), Kind::InvalidArgument);
/// ```
pub trait Fault: Error + Send + Sync + 'static {
    /// Returns the fault that this one wraps.
    fn inner(&self) -> Option<&dyn Fault> {
        None
    }

    /// Says what kind of failure this is: by default the inner fault's, else
    /// [`Kind::Unknown`].
    fn kind(&self) -> Kind {
        self.inner().map_or(Kind::Unknown, Fault::kind)
    }

    /// Says how long the caller should wait before it tries again. Transports
    /// round it up to the unit of their wire.
    fn retry_after(&self) -> Option<Duration> {
        self.inner().and_then(Fault::retry_after)
    }

    /// Says that provably nothing ran: no failure of the service, and free to
    /// be tried elsewhere. It never crosses a server.
    fn refused(&self) -> bool {
        self.inner().is_some_and(Fault::refused)
    }

    /// Tells the caller more: a reason, fields that are wrong, headers.
    fn describe(&self, details: &mut Details) {
        if let Some(inner) = self.inner() {
            inner.describe(details);
        }
    }
}

impl Fault for Infallible {
    fn kind(&self) -> Kind {
        match *self {}
    }
}
