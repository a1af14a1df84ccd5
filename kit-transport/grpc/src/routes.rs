use crate::{BadDescriptor, Health, reflection};
use tonic::service::Routes;

/// Mounts what those who run a service ask of it beside its methods: `health`,
/// and reflection of `descriptors`, each an encoded `FileDescriptorSet`.
///
/// A [`Server`](crate::Server) joins them at the path of its method, a
/// generated server by `add_service`.
///
/// ```
/// # use kit_endpoint::{Panicked, Request};
/// use kit_transport_grpc::{Health, Server, routes};
/// # use std::convert::Infallible;
/// use tokio::sync::watch;
/// use tower::service_fn;
/// # async fn greeting(request: Request<String>) -> Result<String, Panicked> {
/// #     Ok(request.into_message())
/// # }
/// # let (decode, encode) = (Ok::<String, Infallible>, Ok::<String, Infallible>);
/// # const GREETER: &[u8] = &[];
///
/// let (ready, readiness) = watch::channel(false);
/// let health = Health::new(readiness).services(["greeter.v1.Greeter"]);
/// let greeting = Server::new(service_fn(greeting), decode, encode);
/// let router = routes(health, &[GREETER])?
///     .into_axum_router()
///     .route_service("/greeter.v1.Greeter/Greeting", greeting);
/// ready.send_replace(true);
/// # let _ = router;
/// # Ok::<(), kit_transport_grpc::BadDescriptor>(())
/// ```
///
/// # Errors
///
/// Fails if one of the descriptors is not a `FileDescriptorSet`, or lacks a
/// name.
pub fn routes(health: Health, descriptors: &[&[u8]]) -> Result<Routes, BadDescriptor> {
    let (v1, v1alpha) = reflection(descriptors)?;
    Ok(Routes::new(health.into_server()).add_service(v1).add_service(v1alpha))
}
