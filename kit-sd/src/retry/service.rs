use super::{GaveUp, OnlyRefused, Retryable, future::ResponseFuture};
use crate::Balancer;
use kit_endpoint::Carries;
use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;
use tower_service::Service;

/// Makes a call on one endpoint after the other until one succeeds.
///
/// See the [module](super) for what it does.
pub struct Retry<B, C = OnlyRefused> {
    balancer: Arc<B>,
    attempts: u32,
    limit: Duration,
    retryable: C,
}

// ===== impl Retry =====

impl<B: Balancer> Retry<B> {
    /// Makes up to `attempts` attempts, the first included (0 is one, too), in
    /// the time of `limit` for all of them, or the request's deadline where
    /// that is sooner.
    pub fn new(balancer: B, attempts: u32, limit: Duration) -> Self {
        Self { balancer: Arc::new(balancer), attempts, limit, retryable: OnlyRefused }
    }
}

impl<B, C> Retry<B, C> {
    /// Says what may be tried again; [`OnlyRefused`] by default.
    #[must_use]
    pub fn retryable<D>(self, retryable: D) -> Retry<B, D> {
        let Self { balancer, attempts, limit, .. } = self;
        Retry { balancer, attempts, limit, retryable }
    }

    /// Returns the balancer.
    #[must_use]
    pub fn balancer(&self) -> &B {
        &self.balancer
    }
}

impl<B, C, Req> Service<Req> for Retry<B, C>
where
    B: Balancer,
    B::Endpoint: Service<Req>,
    C: Retryable<Req, <B::Endpoint as Service<Req>>::Error>,
    Req: Carries + Clone,
{
    type Response = <B::Endpoint as Service<Req>>::Response;
    type Error = GaveUp<<B::Endpoint as Service<Req>>::Error>;
    type Future = ResponseFuture<B, C, B::Endpoint, Req>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Req) -> Self::Future {
        // A limit past the end of time is no limit.
        if let Some(deadline) = Instant::now().checked_add(self.limit) {
            request.bring_forward(deadline);
        }
        let (balancer, retryable) = (Arc::clone(&self.balancer), self.retryable.clone());
        ResponseFuture::new(balancer, retryable, self.attempts, request)
    }
}

impl<B, C: Clone> Clone for Retry<B, C> {
    fn clone(&self) -> Self {
        Self {
            balancer: Arc::clone(&self.balancer),
            attempts: self.attempts,
            limit: self.limit,
            retryable: self.retryable.clone(),
        }
    }
}

impl<B: fmt::Debug, C> fmt::Debug for Retry<B, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("balancer", &self.balancer)
            .field("attempts", &self.attempts)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
