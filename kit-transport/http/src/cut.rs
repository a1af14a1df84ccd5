//! Why the body of a request broke off: a limit around the server cut it, or the caller
//! left.

use http_body_util::LengthLimitError;
use kit_endpoint::{BodyCut, Fault, Kind};
use std::{error::Error, fmt, iter};

/// Finds the limit that ended a body among the sources of its error, if one did.
fn cut(error: &(dyn Error + 'static)) -> Option<BodyCut> {
    iter::successors(Some(error), |error| (*error).source()).find_map(|error| {
        let length = error.is::<LengthLimitError>().then_some(BodyCut::TooLarge);
        error.downcast_ref().copied().or(length)
    })
}

/// Most often the peer is gone, and nobody hears the answer.
pub(crate) fn kind(error: &(dyn Error + 'static)) -> Kind {
    cut(error).map_or(Kind::Cancelled, |cut| cut.kind())
}

/// Says which limit it was, or `otherwise`.
pub(crate) fn say(
    error: &(dyn Error + 'static),
    otherwise: &str,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    match cut(error) {
        Some(cut) => fmt::Display::fmt(&cut, f),
        None => f.write_str(otherwise),
    }
}
