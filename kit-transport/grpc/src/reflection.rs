//! Server reflection: how `grpcurl` and its like learn what a server serves.

use std::{error::Error, fmt};
use tonic_reflection::server::{Builder, v1, v1alpha};

/// Described whether or not it is served: the feature `health` is another.
const HEALTH: &[u8] = include_bytes!("pb/health.bin");

/// A descriptor set that cannot be read.
#[derive(Debug)]
pub struct BadDescriptor(tonic_reflection::server::Error);

/// Describes the services of `descriptors`, each an encoded
/// `FileDescriptorSet`, over both versions of the protocol: clients ask for v1
/// or still for v1alpha. `grpc.health.v1` and reflection itself are described
/// too.
///
/// ```
/// use tonic::service::Routes;
///
/// # const GREETER: &[u8] = &[];
/// let (v1, v1alpha) = kit_transport_grpc::reflection(&[GREETER])?;
/// let routes = Routes::new(v1).add_service(v1alpha);
/// # let _ = routes;
/// # Ok::<(), kit_transport_grpc::BadDescriptor>(())
/// ```
///
/// # Errors
///
/// Fails if one of them is not a `FileDescriptorSet`, or lacks a name.
pub fn reflection(
    descriptors: &[&[u8]],
) -> Result<
    (
        v1::ServerReflectionServer<impl v1::ServerReflection>,
        v1alpha::ServerReflectionServer<impl v1alpha::ServerReflection>,
    ),
    BadDescriptor,
> {
    let v1 = configure(descriptors).build_v1().map_err(BadDescriptor)?;
    let v1alpha = configure(descriptors).build_v1alpha().map_err(BadDescriptor)?;
    Ok((v1, v1alpha))
}

fn configure<'b>(descriptors: &[&'b [u8]]) -> Builder<'b> {
    descriptors.iter().fold(
        Builder::configure().register_encoded_file_descriptor_set(HEALTH),
        |builder, descriptor| builder.register_encoded_file_descriptor_set(descriptor),
    )
}

// ===== impl BadDescriptor =====

impl fmt::Display for BadDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a file descriptor set cannot be read: is it what the code generator wrote?")
    }
}

impl Error for BadDescriptor {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}
