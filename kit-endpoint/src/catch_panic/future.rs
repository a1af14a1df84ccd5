//! Future types.

use super::{Catch, Panicked, error::catch_drop};
use crate::Refuse;
use pin_project_lite::pin_project;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

pin_project! {
    /// The future of a [`CatchPanic`](super::CatchPanic).
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
        Called { #[pin] reply: F },
        Panicked { panicked: Option<Panicked> },
    }
}

// ===== impl ResponseFuture =====

impl<F, R, U> ResponseFuture<F, R, U> {
    pub(super) const fn called(reply: F, refuse: R, until: U) -> Self {
        Self { state: State::Called { reply }, refuse, until }
    }

    pub(super) const fn panicked(panicked: Panicked, refuse: R, until: U) -> Self {
        Self { state: State::Panicked { panicked: Some(panicked) }, refuse, until }
    }
}

impl<F, R, U, T, E> Future for ResponseFuture<F, R, U>
where
    F: Future<Output = Result<T, E>>,
    U: Catch<T, R>,
    R: Refuse<Panicked, T, E>,
{
    type Output = Result<U::Reply, E>;

    #[expect(clippy::expect_used, reason = "polling a finished future may panic")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let panicked = match this.state.as_mut().project() {
            StateProj::Called { reply } => {
                match catch_unwind(AssertUnwindSafe(|| reply.poll(cx))) {
                    Ok(poll) => {
                        return poll.map_ok(|reply| this.until.catch(reply, this.refuse));
                    }
                    Err(payload) => Panicked::new(payload),
                }
            }
            StateProj::Panicked { panicked } => panicked.take().expect("polled after the reply"),
        };
        // What is left of the future may panic again while it is dropped.
        catch_drop(|| this.state.set(State::Panicked { panicked: None }));
        let refused = this.refuse.refuse(panicked);
        Poll::Ready(refused.map(|reply| this.until.catch(reply, this.refuse)))
    }
}
