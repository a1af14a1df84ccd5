//! Future types.

use super::{Bound, Expired};
use crate::Refuse;
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    task::{Context, Poll},
};
use tokio::time::{Instant, Sleep, sleep_until};

pin_project! {
    /// The future of a [`Deadline`](super::Deadline).
    #[derive(Debug)]
    pub struct ResponseFuture<F, R, U> {
        #[pin]
        state: State<F>,
        refuse: R,
        until: U,
    }
}

pin_project! {
    #[project = StateProj]
    #[derive(Debug)]
    enum State<F> {
        Begun {
            #[pin]
            reply: F,
            deadline: Option<Instant>,
            // Made only once the reply lets us wait: a reply that is ready at
            // once must not pay for a timer.
            #[pin]
            sleep: Option<Sleep>,
        },
        Refused,
    }
}

// ===== impl ResponseFuture =====

impl<F, R, U> ResponseFuture<F, R, U> {
    pub(super) const fn begun(reply: F, deadline: Option<Instant>, refuse: R, until: U) -> Self {
        Self { state: State::Begun { reply, deadline, sleep: None }, refuse, until }
    }

    pub(super) const fn refused(refuse: R, until: U) -> Self {
        Self { state: State::Refused, refuse, until }
    }
}

impl<F, R, U, T, E> Future for ResponseFuture<F, R, U>
where
    F: Future<Output = Result<T, E>>,
    U: Bound<T, R>,
    R: Refuse<Expired, T, E> + Clone,
{
    type Output = Result<U::Reply, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let StateProj::Begun { reply, deadline, mut sleep } = this.state.as_mut().project() else {
            return Poll::Ready(refused(this.until, this.refuse, Expired { ran: false }));
        };
        // The reply first: one that is ready is never dropped for the timer.
        if let Poll::Ready(result) = reply.poll(cx) {
            let deadline = *deadline;
            return Poll::Ready(
                result.map(|reply| this.until.bound(reply, deadline, this.refuse.clone())),
            );
        }
        let Some(deadline) = *deadline else { return Poll::Pending };
        if sleep.is_none() {
            sleep.set(Some(sleep_until(deadline)));
        }
        match sleep.as_pin_mut().map(|sleep| sleep.poll(cx)) {
            Some(Poll::Ready(())) => {
                // The work is cancelled now, not when the caller drops us.
                this.state.set(State::Refused);
                Poll::Ready(refused(this.until, this.refuse, Expired { ran: true }))
            }
            _ => Poll::Pending,
        }
    }
}

/// Refuses with a reply of the inner service, which then passes as its own do.
fn refused<T, E, R, U>(until: &U, refuse: &R, fact: Expired) -> Result<U::Reply, E>
where
    U: Bound<T, R>,
    R: Refuse<Expired, T, E>,
{
    refuse.refuse(fact).map(|reply| until.bound(reply, None, refuse.clone()))
}
