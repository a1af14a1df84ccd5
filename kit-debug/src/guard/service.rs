use super::{Asks, Barred, Guard, future::ResponseFuture};
use http::Request;
use kit_endpoint::{AsError, Refuse};
use std::task::{Context, Poll};
use tower_service::Service;

/// Refuses whom its [`Guard`] does not let in; a
/// [`GuardLayer`](super::GuardLayer) makes it.
///
/// It is ready when the inner service is.
#[derive(Debug, Clone)]
pub struct Guarded<S, R = AsError> {
    pub(super) inner: S,
    pub(super) guard: Guard,
    pub(super) asks: Asks,
    pub(super) refuse: R,
}

// ===== impl Guarded =====

impl<S, R> Guarded<S, R> {
    /// Returns the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, R, B> Service<Request<B>> for Guarded<S, R>
where
    S: Service<Request<B>>,
    R: Refuse<Barred, S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, S::Response, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.guard.admit(&request, self.asks) {
            Ok(()) => ResponseFuture::sent(self.inner.call(request)),
            Err(barred) => ResponseFuture::refused(self.refuse.refuse(barred)),
        }
    }
}
