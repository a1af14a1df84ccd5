//! Future types.

use super::{RateLimited, Reservation};
use kit_endpoint::Refuse;
use pin_project_lite::pin_project;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::time::{Instant, Sleep, sleep_until};
use tower_service::Service;

pin_project! {
    /// The future of a [`RateLimiting`](super::RateLimiting) that refuses.
    #[derive(Debug)]
    pub struct ResponseFuture<F, R> {
        #[pin]
        state: State<F, R>,
    }
}

pin_project! {
    #[project = StateProj]
    #[derive(Debug)]
    enum State<F, R> {
        Sent { #[pin] reply: F },
        Refused { fact: Option<RateLimited>, refuse: R },
    }
}

pin_project! {
    /// The future of a [`RateLimiting`](super::RateLimiting) that waits. Dropped
    /// while it waits, it gives its place back if nobody is behind it.
    pub struct WaitingFuture<S, Req, R>
    where
        S: Service<Req>,
    {
        #[pin]
        state: WaitingState<S::Future, S, Req, R>,
    }
}

pin_project! {
    #[project = WaitingProj]
    enum WaitingState<F, S, Req, R> {
        Waiting { #[pin] sleep: Sleep, turn: Option<Turn<S, Req>> },
        Sent { #[pin] reply: F },
        Refused { fact: Option<RateLimited>, refuse: R },
    }
}

/// What there is to do when its turn comes.
struct Turn<S, Req> {
    reservation: Reservation,
    ready_inner: S,
    request: Req,
}

// ===== impl ResponseFuture =====

impl<F, R> ResponseFuture<F, R> {
    pub(super) const fn sent(reply: F) -> Self {
        Self { state: State::Sent { reply } }
    }

    pub(super) const fn refused(fact: RateLimited, refuse: R) -> Self {
        Self { state: State::Refused { fact: Some(fact), refuse } }
    }
}

impl<F, R, T, E> Future for ResponseFuture<F, R>
where
    F: Future<Output = Result<T, E>>,
    R: Refuse<RateLimited, T, E>,
{
    type Output = Result<T, E>;

    #[expect(clippy::expect_used, reason = "polling a finished future may panic")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Sent { reply } => reply.poll(cx),
            StateProj::Refused { fact, refuse } => {
                Poll::Ready(refuse.refuse(fact.take().expect("polled after the reply")))
            }
        }
    }
}

// ===== impl WaitingFuture =====

impl<S: Service<Req>, Req, R> WaitingFuture<S, Req, R> {
    pub(super) const fn sent(reply: S::Future) -> Self {
        Self { state: WaitingState::Sent { reply } }
    }

    pub(super) const fn refused(fact: RateLimited, refuse: R) -> Self {
        Self { state: WaitingState::Refused { fact: Some(fact), refuse } }
    }

    pub(super) fn waiting(
        at: Instant,
        reservation: Reservation,
        ready_inner: S,
        request: Req,
    ) -> Self {
        let turn = Some(Turn { reservation, ready_inner, request });
        Self { state: WaitingState::Waiting { sleep: sleep_until(at), turn } }
    }
}

impl<S, Req, R> Future for WaitingFuture<S, Req, R>
where
    S: Service<Req>,
    R: Refuse<RateLimited, S::Response, S::Error>,
{
    type Output = Result<S::Response, S::Error>;

    #[expect(clippy::expect_used, reason = "polling a finished future may panic")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                WaitingProj::Waiting { sleep, turn } => {
                    ready!(sleep.poll(cx));
                    let Turn { reservation, mut ready_inner, request } =
                        turn.take().expect("it waits once");
                    reservation.spend();
                    let reply = ready_inner.call(request);
                    state.set(WaitingState::Sent { reply });
                }
                WaitingProj::Sent { reply } => return reply.poll(cx),
                WaitingProj::Refused { fact, refuse } => {
                    let fact = fact.take().expect("polled after the reply");
                    return Poll::Ready(refuse.refuse(fact));
                }
            }
        }
    }
}

impl<S: Service<Req>, Req, R> fmt::Debug for WaitingFuture<S, Req, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            WaitingState::Waiting { .. } => "waiting",
            WaitingState::Sent { .. } => "sent",
            WaitingState::Refused { .. } => "refused",
        };
        f.debug_struct("WaitingFuture").field("state", &state).finish_non_exhaustive()
    }
}
