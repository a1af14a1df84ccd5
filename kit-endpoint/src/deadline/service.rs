use super::{Bound, Expired, Expiry, future::ResponseFuture};
use crate::Refuse;
use std::{
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;
use tower_service::Service;

/// Bounds the time that each call may take.
///
/// See the [module](super) for what it does; a
/// [`DeadlineLayer`](super::DeadlineLayer) makes it.
#[derive(Debug, Clone)]
pub struct Deadline<S, P, R, U> {
    pub(super) inner: S,
    pub(super) expiry: P,
    pub(super) floor: Duration,
    pub(super) refuse: R,
    pub(super) until: U,
}

// ===== impl Deadline =====

impl<S, P, R, U> Deadline<S, P, R, U> {
    /// Returns the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, P, R, U, Req> Service<Req> for Deadline<S, P, R, U>
where
    S: Service<Req>,
    P: Expiry<Req>,
    U: Bound<S::Response, R>,
    R: Refuse<Expired, S::Response, S::Error>,
{
    type Response = U::Reply;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R, U>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Req) -> Self::Future {
        let now = Instant::now();
        let deadline = self.expiry.expiry(&mut request, now);
        let (refuse, until) = (self.refuse.clone(), self.until.clone());
        match deadline {
            // At zero time left, and no floor, there is nothing left either.
            Some(deadline) if deadline <= now || deadline - now < self.floor => {
                ResponseFuture::refused(refuse, until)
            }
            _ => ResponseFuture::begun(self.inner.call(request), deadline, refuse, until),
        }
    }
}
