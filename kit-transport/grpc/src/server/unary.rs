use tonic::{Request, Response, Status};
use tower::util::Oneshot;
use tower_service::Service;

/// A cloneable service for one unary method: what a generated trait calls.
///
/// Like [`Endpoint`](kit_endpoint::Endpoint), this is a name for a set of
/// bounds, and implemented for all that meets them: a [`Server`](super::Server)
/// above all.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not serve a unary method from `{M}` to `{R}`",
    note = "a `kit_transport_grpc::Server` does, if its codecs read `{M}` and write `{R}`"
)]
pub trait Unary<M, R>:
    Service<Request<M>, Response = Response<R>, Error = Status, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
{
    /// Serves one request, on a clone.
    fn serve(&self, request: Request<M>) -> Oneshot<Self, Request<M>> {
        Oneshot::new(self.clone(), request)
    }
}

impl<S, M, R> Unary<M, R> for S where
    S: Service<Request<M>, Response = Response<R>, Error = Status, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}
