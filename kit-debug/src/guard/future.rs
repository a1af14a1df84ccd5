//! Future types.

use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    task::{Context, Poll},
};

pin_project! {
    /// The future of a [`Guarded`](super::Guarded).
    #[derive(Debug)]
    pub struct ResponseFuture<F, T, E> {
        #[pin]
        state: State<F, T, E>,
    }
}

pin_project! {
    #[project = StateProj]
    #[derive(Debug)]
    enum State<F, T, E> {
        Sent { #[pin] reply: F },
        Refused { answer: Option<Result<T, E>> },
    }
}

// ===== impl ResponseFuture =====

impl<F, T, E> ResponseFuture<F, T, E> {
    pub(super) const fn sent(reply: F) -> Self {
        Self { state: State::Sent { reply } }
    }

    pub(super) const fn refused(answer: Result<T, E>) -> Self {
        Self { state: State::Refused { answer: Some(answer) } }
    }
}

impl<F, T, E> Future for ResponseFuture<F, T, E>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<T, E>;

    #[expect(clippy::expect_used, reason = "polling a finished future may panic")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Sent { reply } => reply.poll(cx),
            StateProj::Refused { answer } => {
                Poll::Ready(answer.take().expect("polled after the reply"))
            }
        }
    }
}
