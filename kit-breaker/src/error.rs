use kit_endpoint::{Details, Fault, Kind};
use std::{error, fmt, time::Duration};

/// The circuit is open: the request was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    pub(crate) retry_after: Duration,
}

impl fmt::Display for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the circuit is open: try again in {:?}", self.retry_after)
    }
}

impl error::Error for Open {}

impl Fault for Open {
    fn kind(&self) -> Kind {
        Kind::Unavailable
    }

    fn retry_after(&self) -> Option<Duration> {
        Some(self.retry_after)
    }

    fn refused(&self) -> bool {
        true
    }

    fn describe(&self, details: &mut Details) {
        details.reason("CIRCUIT_OPEN").domain("kit");
    }
}
