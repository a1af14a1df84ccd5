use super::{
    Class, ConcurrencyLimited, Limiter, OneClass, Partition, Permit, Whole, future::ResponseFuture,
};
use kit_endpoint::{AsError, Classify, Refuse, ServerFaults, Until, UntilReply};
use std::task::{Context, Poll};
use tower_service::Service;

/// Refuses requests while as many are in flight as there may be.
///
/// See the [module's documentation](super); a
/// [`ConcurrencyLimitLayer`](super::ConcurrencyLimitLayer) makes it.
#[derive(Debug, Clone)]
pub struct ConcurrencyLimit<
    S,
    K = OneClass,
    P = Whole,
    C = ServerFaults,
    R = AsError,
    U = UntilReply,
> {
    pub(super) inner: S,
    pub(super) limiter: Limiter,
    pub(super) class: K,
    pub(super) partition: P,
    pub(super) classify: C,
    pub(super) refuse: R,
    pub(super) until: U,
}

// ===== impl ConcurrencyLimit =====

impl<S, K, P, C, R, U> ConcurrencyLimit<S, K, P, C, R, U> {
    /// Returns the limiter that this service and its clones share.
    pub const fn limiter(&self) -> &Limiter {
        &self.limiter
    }

    /// Returns the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, K, P, C, R, U, Req> Service<Req> for ConcurrencyLimit<S, K, P, C, R, U>
where
    S: Service<Req>,
    K: Class<Req>,
    P: Partition<Req>,
    C: Classify<S::Response, S::Error>,
    R: Refuse<ConcurrencyLimited, S::Response, S::Error>,
    U: Until<S::Response, Permit, C>,
{
    type Response = U::Reply;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, C, R, U>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let class = self.class.class(&request);
        let partition = self.partition.partition(&request);
        let until = self.until.clone();
        match self.limiter.admit_as(class, partition.as_ref().map(AsRef::as_ref)) {
            Ok(permit) => {
                let reply = self.inner.call(request);
                ResponseFuture::sent(reply, permit, self.classify.clone(), until)
            }
            Err(fact) => ResponseFuture::refused(fact, self.refuse.clone(), until),
        }
    }
}
