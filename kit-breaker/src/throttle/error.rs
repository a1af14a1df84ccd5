use kit_endpoint::{Details, Fault, Kind};
use std::{error, fmt};

/// The service refuses too much: the request was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttled(pub(super) ());

impl fmt::Display for Throttled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the service refuses too many calls: this one was not sent; send fewer")
    }
}

impl error::Error for Throttled {}

impl Fault for Throttled {
    fn kind(&self) -> Kind {
        Kind::Unavailable
    }

    fn refused(&self) -> bool {
        true
    }

    fn describe(&self, details: &mut Details) {
        details.reason("THROTTLED").domain("kit");
    }
}
