use http::HeaderMap;
use std::sync::{Arc, Mutex, PoisonError};
use tonic::metadata::MetadataMap;

/// What came beside a reply: initial metadata and trailing metadata.
///
/// Who calls puts one among the extensions of the request and keeps a clone,
/// which is the same. It goes to the call and no further.
///
/// ```
/// use kit_endpoint::Request;
/// use kit_transport_grpc::ReceivedMetadata;
///
/// let received = ReceivedMetadata::default();
/// let mut request = Request::new("Ada".to_owned());
/// request.extensions_mut().insert(received.clone());
/// // Call with it. Then:
/// let trailers = received.trailing();
/// # assert!(trailers.is_none());
/// ```
#[derive(Debug, Clone, Default)]
pub struct ReceivedMetadata(Arc<Mutex<Parts>>);

#[derive(Debug, Default)]
struct Parts {
    initial: Option<MetadataMap>,
    trailing: Option<MetadataMap>,
}

// ===== impl ReceivedMetadata =====

impl ReceivedMetadata {
    /// Returns the headers of the reply, once they have come. A reply without a
    /// message, a failure above all, may have none, only trailing metadata.
    #[must_use]
    pub fn initial(&self) -> Option<MetadataMap> {
        self.with(|parts| parts.initial.clone())
    }

    /// Returns the trailers, once they have come: of a stream, at its end.
    #[must_use]
    pub fn trailing(&self) -> Option<MetadataMap> {
        self.with(|parts| parts.trailing.clone())
    }

    pub(super) fn head(&self, headers: &HeaderMap) {
        let metadata = MetadataMap::from_headers(headers.clone());
        self.with(|parts| parts.initial = Some(metadata));
    }

    pub(super) fn tail(&self, trailers: &HeaderMap) {
        let metadata = MetadataMap::from_headers(trailers.clone());
        self.with(|parts| parts.trailing = Some(metadata));
    }

    fn with<T>(&self, f: impl FnOnce(&mut Parts) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
