use std::error::Error;

/// Says whether nothing ran of a request that failed: hyper gives it back unsent, or the
/// server says that it did not look at it.
#[cfg(feature = "client")]
pub(crate) fn is_unprocessed(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| (*error).source()).any(|error| {
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            // The connection closed before the request was taken from its queue.
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
    })
}

#[cfg(not(feature = "client"))]
pub(crate) const fn is_unprocessed(_: &(dyn Error + 'static)) -> bool {
    false
}
