use http::{Extensions, HeaderMap};
use kit_transport::{Call, Hook};
use kit_transport_grpc::ReplyMetadata;
use tonic::metadata::MetadataMap;

/// The key of what a caller wants back as initial metadata.
pub const INITIAL: &str = "x-grpc-test-echo-initial";

/// The key of what a caller wants back as trailing metadata.
pub const TRAILING: &str = "x-grpc-test-echo-trailing-bin";

/// Puts what a caller wants back among the extensions of its request.
#[derive(Debug, Clone, Copy, Default)]
pub struct EchoMetadata;

/// What the caller wants back.
#[derive(Debug, Clone)]
pub struct Echo(MetadataMap);

/// Metadata that a request goes out with, from the extensions of the request.
#[derive(Debug, Clone)]
pub struct Custom(pub MetadataMap);

// ===== impl EchoMetadata =====

impl Hook for EchoMetadata {
    type Observer = ();

    fn before(&self, call: &Call<'_>, extensions: &mut Extensions) {
        let mut wanted = HeaderMap::new();
        for name in [INITIAL, TRAILING] {
            if let Some(value) = call.headers.get(name) {
                wanted.insert(name, value.clone());
            }
        }
        if !wanted.is_empty() {
            extensions.insert(Echo(MetadataMap::from_headers(wanted)));
        }
    }
}

// ===== impl Echo =====

impl Echo {
    /// Says what the caller wants back beside the reply to its request.
    pub(crate) fn say(extensions: &Extensions) {
        let (Some(Self(wanted)), Some(reply)) =
            (extensions.get(), extensions.get::<ReplyMetadata>())
        else {
            return;
        };
        if let Some(value) = wanted.get(INITIAL) {
            reply.initial(|metadata| metadata.insert(INITIAL, value.clone()));
        }
        if let Some(value) = wanted.get_bin(TRAILING) {
            reply.trailing(|metadata| metadata.insert_bin(TRAILING, value.clone()));
        }
    }
}

// ===== impl Custom =====

impl Custom {
    /// Writes the metadata of a call, at a client.
    pub(crate) fn write(extensions: &Extensions, headers: &mut HeaderMap) {
        if let Some(Self(metadata)) = extensions.get() {
            headers.extend(metadata.clone().into_headers());
        }
    }
}
