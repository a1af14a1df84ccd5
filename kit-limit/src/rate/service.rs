use super::{
    Meter, One, Patience, RateLimit, RateLimited, Refusing, Waiting, Weigh,
    future::{ResponseFuture, WaitingFuture},
    patience::Until,
};
use kit_endpoint::{AsError, Refuse};
use std::{
    mem,
    task::{Context, Poll},
};
use tower_service::Service;

/// Sends only as many requests as a limit lets through.
///
/// See the [module](super) for what it does; a
/// [`RateLimitLayer`](super::RateLimitLayer) makes it.
#[derive(Debug, Clone)]
pub struct RateLimiting<S, M = RateLimit, N = One, W = Refusing, R = AsError> {
    pub(super) inner: S,
    pub(super) meter: M,
    pub(super) weigh: N,
    pub(super) wait: W,
    pub(super) refuse: R,
}

// ===== impl RateLimiting =====

impl<S, M, N, W, R> RateLimiting<S, M, N, W, R> {
    /// Returns the limit.
    pub const fn limit(&self) -> &M {
        &self.meter
    }

    /// Returns the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, M, N, R, Req> Service<Req> for RateLimiting<S, M, N, Refusing, R>
where
    S: Service<Req>,
    M: Meter<Req>,
    N: Weigh<Req>,
    R: Refuse<RateLimited, S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        match self.meter.check(&request, self.weigh.weigh(&request)) {
            Ok(()) => ResponseFuture::sent(self.inner.call(request)),
            Err(fact) => ResponseFuture::refused(fact, self.refuse.clone()),
        }
    }
}

impl<S, M, N, U, R, Req> Service<Req> for RateLimiting<S, M, N, Waiting<U>, R>
where
    S: Service<Req> + Clone,
    M: Meter<Req>,
    N: Weigh<Req>,
    U: Until<Req>,
    R: Refuse<RateLimited, S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = WaitingFuture<S, Req, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let Waiting { longest, until } = &self.wait;
        let patience = Patience::new(*longest).until(until.deadline(&request));
        match self.meter.reserve(&request, self.weigh.weigh(&request), patience) {
            Ok(reservation) => match reservation.at() {
                None => WaitingFuture::sent(self.inner.call(request)),
                Some(at) => {
                    // The future needs the handle that was polled ready.
                    let not_ready_inner = self.inner.clone();
                    let ready_inner = mem::replace(&mut self.inner, not_ready_inner);
                    WaitingFuture::waiting(at, reservation, ready_inner, request)
                }
            },
            Err(fact) => WaitingFuture::refused(fact, self.refuse.clone()),
        }
    }
}
