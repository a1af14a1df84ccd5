use super::{CallError, CallFuture};
use bytes::Bytes;
use http::HeaderName;
use http_body::Body;
use http_body_util::Full;
use kit_endpoint::{Fault, Request};
use kit_transport::{deadline::REQUEST_TIMEOUT_MS, propagate};
use std::{
    any::type_name,
    error, fmt,
    task::{Context, Poll},
};
use tower_service::Service;

/// Calls one method over HTTP: a service from [`Request`] to its reply, over
/// any service of `http::Request`s. With it layers, retry and balancing work
/// on a client as on a server.
///
/// `N` encodes the message, the whole request with its URI; `D` decodes the
/// reply. A status that is not 2xx is the error [`CallError::Rejected`]. What
/// is left of the request's deadline travels in `x-request-timeout-ms`, with
/// its id, its `x-md-global-*` metadata and its criticality, each merged into
/// what `N` set: see [`propagate`].
#[derive(Clone)]
pub struct Client<S, N, D> {
    service: S,
    encode: N,
    decode: D,
    limit: usize,
}

static DEFAULT_TIMEOUT: HeaderName = REQUEST_TIMEOUT_MS;

// ===== impl Client =====

impl<S, N, D> Client<S, N, D> {
    /// Calls over `service`, writing with `encode` and reading with `decode`.
    /// A reply may have 2 MiB.
    pub const fn new(service: S, encode: N, decode: D) -> Self {
        Self { service, encode, decode, limit: 2 << 20 }
    }

    /// Takes replies of up to `bytes`. 2 MiB by default.
    #[must_use]
    pub const fn body_limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }
}

impl<S, B, N, D, T, R, NE, DE> Service<Request<T>> for Client<S, N, D>
where
    S: Service<http::Request<Full<Bytes>>, Response = http::Response<B>>,
    S::Error: Into<Box<dyn error::Error + Send + Sync>>,
    B: Body<Error: Into<Box<dyn error::Error + Send + Sync>>>,
    N: Fn(&T) -> Result<http::Request<Bytes>, NE>,
    NE: Fault,
    D: Fn(&http::Response<Bytes>) -> Result<R, DE> + Clone,
    DE: Fault,
{
    type Response = R;
    type Error = CallError;
    type Future = CallFuture<S::Future, B, D>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(cx).map_err(|error| CallError::Send(error.into()))
    }

    fn call(&mut self, request: Request<T>) -> Self::Future {
        let (message, deadline, extensions) = request.into_parts();
        let mut outgoing = match (self.encode)(&message) {
            Ok(outgoing) => outgoing,
            Err(fault) => return CallFuture::failed(CallError::Encode(Box::new(fault))),
        };
        propagate(&extensions, deadline, &DEFAULT_TIMEOUT, outgoing.headers_mut());
        let reply = self.service.call(outgoing.map(Full::new));
        CallFuture::sent(reply, self.limit, self.decode.clone())
    }
}

impl<S: fmt::Debug, N, D> fmt::Debug for Client<S, N, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("service", &self.service)
            .field("encode", &format_args!("{}", type_name::<N>()))
            .field("decode", &format_args!("{}", type_name::<D>()))
            .field("limit", &self.limit)
            .finish()
    }
}
