use super::future::ResponseFuture;
use crate::{EncodeError, Rich, edge::Slot};
use kit_endpoint::{Carries, Endpoint, Expires, Fault};
use std::{
    any::type_name,
    fmt,
    task::{Context, Poll},
};
use tonic::Status;
use tower::util::Oneshot;
use tower_service::Service;

/// Serves an endpoint as a unary gRPC method.
///
/// It is a [`tonic::server::UnaryService`]; a method of a generated trait
/// calls it by [`Unary::serve`](super::Unary::serve). It reads the message
/// with `decode`, waits for the endpoint, and writes its reply with `encode`;
/// a fault of any of the three becomes a status, by `X`.
///
/// It is always ready: the endpoint is cloned, and waited for once the message
/// is decoded, so nothing is reserved for a request that is still on its way.
/// Dropped, it drops the endpoint's work.
///
/// Hooks and deadlines are the [`GrpcLayer`](crate::GrpcLayer)'s: it puts the
/// deadline among the request's extensions, and from there it goes into the
/// [`Request`](kit_endpoint::Request). Without the layer there is none.
#[derive(Clone)]
pub struct Server<E, D, N, X = Rich> {
    endpoint: E,
    decode: D,
    encode: N,
    encode_error: X,
}

// ===== impl Server =====

impl<E, D, N> Server<E, D, N> {
    /// Serves `endpoint`, reading with `decode` and writing with `encode`.
    pub fn new(endpoint: E, decode: D, encode: N) -> Self {
        Self { endpoint, decode, encode, encode_error: Rich }
    }
}

impl<E, D, N, X> Server<E, D, N, X> {
    /// Answers faults with `encode_error`, a function most often. By default
    /// it is [`status`](crate::status()).
    pub fn encode_error<Y: EncodeError>(self, encode_error: Y) -> Server<E, D, N, Y> {
        let Self { endpoint, decode, encode, .. } = self;
        Server { endpoint, decode, encode, encode_error }
    }
}

impl<M, E, D, N, X, Req, DE, R, NE> Service<tonic::Request<M>> for Server<E, D, N, X>
where
    E: Endpoint<Req>,
    D: Fn(M) -> Result<Req, DE>,
    DE: Fault,
    N: Fn(E::Response) -> Result<R, NE> + Clone,
    NE: Fault,
    X: EncodeError,
{
    type Response = tonic::Response<R>;
    type Error = Status;
    type Future = ResponseFuture<E, N, X, Req>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::Request<M>) -> Self::Future {
        let (_, mut extensions, message) = request.into_parts();
        // Taken out: a request that the endpoint derives is another call.
        let slot = extensions.remove::<Slot>();
        let reply = match (self.decode)(message) {
            Ok(message) => {
                let expires = extensions.get::<Expires>().copied();
                let mut request = kit_endpoint::Request::from_parts(message, extensions);
                if let Some(Expires(deadline)) = expires {
                    request.bring_forward(deadline);
                }
                Ok(Oneshot::new(self.endpoint.clone(), request))
            }
            Err(fault) => {
                if let Some(slot) = &slot {
                    slot.report(&fault);
                }
                Err(self.encode_error.encode_error(&fault))
            }
        };
        ResponseFuture::new(self.encode.clone(), self.encode_error.clone(), slot, reply)
    }
}

impl<E: fmt::Debug, D, N, X> fmt::Debug for Server<E, D, N, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("endpoint", &self.endpoint)
            .field("decode", &format_args!("{}", type_name::<D>()))
            .field("encode", &format_args!("{}", type_name::<N>()))
            .finish_non_exhaustive()
    }
}
