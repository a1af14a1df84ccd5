//! Future types.

use super::{GaveUp, Reason, Retryable};
use crate::Balancer;
use kit_endpoint::{Carries, Resent};
use pin_project_lite::pin_project;
use std::{
    fmt, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::time::{Instant, Sleep, sleep_until};
use tower_service::Service;

pin_project! {
    /// The future of a [`Retry`](super::Retry).
    pub struct ResponseFuture<B, C, S, Req>
    where
        S: Service<Req>,
    {
        balancer: Arc<B>,
        retryable: C,
        // Attempts left, after the one under way.
        left: u32,
        // For the next attempt; the last one gets the request itself.
        request: Option<Req>,
        failed: Vec<S::Error>,
        // Without those that no endpoint was ready for.
        calls: u32,
        deadline: Option<Instant>,
        // Made only once an attempt lets us wait.
        #[pin]
        sleep: Option<Sleep>,
        #[pin]
        attempt: Attempt<S, S::Future, Req>,
    }
}

pin_project! {
    #[project = AttemptProj]
    enum Attempt<S, F, Req> {
        /// None is under way: the next is to be begun.
        None,
        /// Waits for the endpoint that was picked to be ready.
        Picked { endpoint: S, request: Option<Req> },
        Called { #[pin] reply: F },
    }
}

// ===== impl ResponseFuture =====

impl<B, C, S, Req> ResponseFuture<B, C, S, Req>
where
    S: Service<Req>,
    Req: Carries,
{
    pub(super) fn new(balancer: Arc<B>, retryable: C, attempts: u32, request: Req) -> Self {
        Self {
            balancer,
            retryable,
            left: attempts.max(1),
            deadline: request.deadline(),
            request: Some(request),
            failed: Vec::new(),
            calls: 0,
            sleep: None,
            attempt: Attempt::None,
        }
    }
}

impl<B, C, S, Req> Future for ResponseFuture<B, C, S, Req>
where
    B: Balancer<Endpoint = S>,
    S: Service<Req>,
    C: Retryable<Req, S::Error>,
    Req: Carries + Clone,
{
    type Output = Result<S::Response, GaveUp<S::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let reason = loop {
            let result = match this.attempt.as_mut().project() {
                AttemptProj::None => {
                    if this.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                        break Reason::Deadline;
                    }
                    let Ok(endpoint) = this.balancer.pick() else { break Reason::NoEndpoints };
                    *this.left -= 1;
                    let request =
                        if *this.left == 0 { this.request.take() } else { this.request.clone() };
                    this.attempt.set(Attempt::Picked { endpoint, request });
                    continue;
                }
                AttemptProj::Picked { endpoint, request } => match endpoint.poll_ready(cx) {
                    Poll::Ready(Ok(())) => {
                        // Always there: it is taken but once.
                        if let Some(mut request) = request.take() {
                            tell(&mut request, *this.calls);
                            *this.calls += 1;
                            let reply = endpoint.call(request);
                            this.attempt.set(Attempt::Called { reply });
                        }
                        continue;
                    }
                    Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                    Poll::Pending => Poll::Pending,
                },
                AttemptProj::Called { reply } => reply.poll(cx),
            };
            match result {
                Poll::Ready(Ok(reply)) => return Poll::Ready(Ok(reply)),
                Poll::Ready(Err(error)) => {
                    let is_retryable = this
                        .request
                        .as_ref()
                        .map(|request| this.retryable.is_retryable(request, &error));
                    this.failed.push(error);
                    this.attempt.set(Attempt::None);
                    match is_retryable {
                        Some(true) => {}
                        Some(false) => break Reason::NotRetryable,
                        None => break Reason::Attempts,
                    }
                }
                // The reply first: one that is ready is never dropped for the
                // timer.
                Poll::Pending => {
                    let Some(deadline) = *this.deadline else { return Poll::Pending };
                    if this.sleep.is_none() {
                        this.sleep.set(Some(sleep_until(deadline)));
                    }
                    match this.sleep.as_mut().as_pin_mut().map(|sleep| sleep.poll(cx)) {
                        Some(Poll::Ready(())) => break Reason::Deadline,
                        _ => return Poll::Pending,
                    }
                }
            }
        };
        // An attempt that is under way is cancelled now, not when the caller
        // drops us.
        this.attempt.set(Attempt::None);
        Poll::Ready(Err(GaveUp::new(mem::take(this.failed), reason)))
    }
}

/// Says how often it was sent before; whatever an outer retry said is of its own tries.
fn tell(request: &mut impl Carries, calls: u32) {
    if calls == 0 {
        request.extensions_mut().remove::<Resent>();
    } else {
        request.extensions_mut().insert(Resent(calls));
    }
}

impl<B, C, S: Service<Req>, Req> fmt::Debug for ResponseFuture<B, C, S, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture")
            .field("failed", &self.failed.len())
            .field("left", &self.left)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
