use kit_endpoint::{Details, Fault, Kind};
use std::{error, fmt, time::Duration};

/// The circuit is open: the request was not sent.
///
/// It says for how long, unless somebody holds it open by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    pub(crate) retry_after: Option<Duration>,
}

impl fmt::Display for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.retry_after {
            Some(after) => write!(f, "the circuit is open: try again in {after:?}"),
            None => f.write_str("the circuit is held open by hand"),
        }
    }
}

impl error::Error for Open {}

impl Fault for Open {
    fn kind(&self) -> Kind {
        Kind::Unavailable
    }

    fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    fn refused(&self) -> bool {
        true
    }

    fn describe(&self, details: &mut Details) {
        details.reason("CIRCUIT_OPEN").domain("kit");
    }
}
