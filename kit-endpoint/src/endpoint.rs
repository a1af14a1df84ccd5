use crate::{Fault, Request};
use tower_service::Service;

/// A cloneable service from [`Request<Req>`] to a reply: one RPC.
///
/// This is a name for a set of bounds. It is implemented for every service
/// that meets them and cannot be implemented by hand: write an `async fn` and
/// wrap it in `tower::service_fn`, or implement [`Service`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an endpoint for `{Req}`",
    note = "an endpoint is `Service<Request<{Req}>> + Clone + Send + Sync + 'static` \
            with a `Send` future and an error that implements `Fault`"
)]
pub trait Endpoint<Req>:
    Service<Request<Req>, Error: Fault, Future: Send> + Clone + Send + Sync + 'static
{
}

impl<S, Req> Endpoint<Req> for S where
    S: Service<Request<Req>, Error: Fault, Future: Send> + Clone + Send + Sync + 'static
{
}

/// An endpoint whose type is erased, for a struct field or a set of endpoints.
///
/// It costs two allocations a call, one for the future and one for the clone
/// that a transport takes. Erase where a type must be written down, never
/// between two layers.
#[cfg(feature = "boxed")]
pub type BoxEndpoint<Req, Reply, E> = tower::util::BoxCloneSyncService<Request<Req>, Reply, E>;
