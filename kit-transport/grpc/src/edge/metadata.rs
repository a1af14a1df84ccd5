use http::{Extensions, HeaderMap, HeaderName, header};
use kit_transport::{Call, Hook};
use std::sync::{Arc, Mutex, PoisonError};
use tonic::metadata::MetadataMap;

/// What an endpoint says beside its reply: initial metadata, the headers of
/// the reply, and trailing metadata, its trailers.
///
/// It is among the extensions of a request where the layer has
/// [`GrpcLayer::reply_metadata`](crate::GrpcLayer::reply_metadata). Clones are
/// the same, so that a stream can keep one and speak at its end.
///
/// Initial metadata has to be said before the endpoint's future is done, and
/// trailing metadata before its stream is: then they are sent, also if the
/// call fails, or comes too late. A failure before the first message has but
/// one block of metadata, which is both. What is gRPC's own (`grpc-status`,
/// `content-type`, ...) is not sent. Metadata of a fault needs none of this:
/// the fault [describes](kit_endpoint::Fault::describe) it.
///
/// ```
/// # use kit_endpoint::{Panicked, Request};
/// use kit_transport_grpc::ReplyMetadata;
///
/// async fn greeting(request: Request<String>) -> Result<String, Panicked> {
///     if let Some(metadata) = request.extensions().get::<ReplyMetadata>() {
///         metadata.trailing(|trailers| {
///             trailers.insert("x-greeted", "once".parse().expect("it is ASCII"));
///         });
///     }
///     Ok(format!("Hello, {}!", request.message()))
/// }
/// # let _ = greeting;
/// ```
#[derive(Debug, Clone, Default)]
pub struct ReplyMetadata(Arc<Mutex<Parts>>);

#[derive(Debug, Default)]
struct Parts {
    initial: MetadataMap,
    trailing: MetadataMap,
}

/// The hook of [`GrpcLayer::reply_metadata`](crate::GrpcLayer::reply_metadata).
#[derive(Debug, Clone, Copy, Default)]
pub struct GiveReplyMetadata;

// ===== impl ReplyMetadata =====

impl ReplyMetadata {
    /// Says initial metadata.
    pub fn initial<T>(&self, say: impl FnOnce(&mut MetadataMap) -> T) -> T {
        self.with(|parts| say(&mut parts.initial))
    }

    /// Says trailing metadata.
    pub fn trailing<T>(&self, say: impl FnOnce(&mut MetadataMap) -> T) -> T {
        self.with(|parts| say(&mut parts.trailing))
    }

    pub(super) fn write_initial(&self, headers: &mut HeaderMap) {
        write(self.initial(std::mem::take), headers);
    }

    pub(super) fn write_trailing(&self, trailers: &mut HeaderMap) {
        write(self.trailing(std::mem::take), trailers);
    }

    fn with<T>(&self, f: impl FnOnce(&mut Parts) -> T) -> T {
        // A panic of the one who speaks leaves a map that is whole.
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn write(metadata: MetadataMap, headers: &mut HeaderMap) {
    let mut name = None;
    for (next, value) in metadata.into_headers() {
        // Of a name with many values only the first is named.
        name = next.or(name);
        if let Some(name) = name.as_ref().filter(|name| !is_reserved(name)) {
            headers.append(name, value);
        }
    }
}

/// Says whether `name` is gRPC's or HTTP/2's to write ("gRPC over HTTP2").
pub(crate) fn is_reserved(name: &HeaderName) -> bool {
    name.as_str().starts_with("grpc-")
        || [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::TE, header::TRAILER]
            .contains(name)
        || [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE].contains(name)
}

// ===== impl GiveReplyMetadata =====

impl Hook for GiveReplyMetadata {
    type Observer = ();

    fn before(&self, _: &Call<'_>, extensions: &mut Extensions) {
        extensions.insert(ReplyMetadata::default());
    }
}
