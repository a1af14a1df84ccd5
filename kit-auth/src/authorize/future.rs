use super::Forbidden;
use kit_endpoint::Refuse;
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    task::{Context, Poll},
};

pin_project! {
    /// The future of an [`Authorize`](super::Authorize).
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
        Refused { forbidden: Option<Forbidden>, refuse: R },
    }
}

// ===== impl ResponseFuture =====

impl<F, R> ResponseFuture<F, R> {
    pub(super) const fn sent(reply: F) -> Self {
        Self { state: State::Sent { reply } }
    }

    pub(super) const fn refused(forbidden: Forbidden, refuse: R) -> Self {
        Self { state: State::Refused { forbidden: Some(forbidden), refuse } }
    }
}

impl<F, R, T, E> Future for ResponseFuture<F, R>
where
    F: Future<Output = Result<T, E>>,
    R: Refuse<Forbidden, T, E>,
{
    type Output = Result<T, E>;

    #[expect(clippy::expect_used, reason = "polling a finished future may panic")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Sent { reply } => reply.poll(cx),
            StateProj::Refused { forbidden, refuse } => {
                let forbidden = forbidden.take().expect("polled after the reply");
                Poll::Ready(refuse.refuse(forbidden))
            }
        }
    }
}
