use super::{Answer, Uses};
use kit_endpoint::{Classify, Judgement};
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

pin_project! {
    /// The future of a [`Fallback`](crate::Fallback). Dropped, it asks no fallback
    /// any more.
    #[derive(Debug)]
    pub struct FallbackFuture<F, G, A, C> {
        #[pin]
        state: State<F, G>,
        answer: Option<A>,
        classify: C,
        uses: Uses,
    }
}

pin_project! {
    #[project = StateProj]
    #[derive(Debug)]
    enum State<F, G> {
        Asked { #[pin] reply: F },
        FallenBack { #[pin] answer: G },
    }
}

// ===== impl FallbackFuture =====

impl<F, G, A, C> FallbackFuture<F, G, A, C> {
    pub(super) const fn new(reply: F, answer: A, classify: C, uses: Uses) -> Self {
        Self { state: State::Asked { reply }, answer: Some(answer), classify, uses }
    }
}

impl<F, A, C, T, E> Future for FallbackFuture<F, A::Future, A, C>
where
    F: Future<Output = Result<T, E>>,
    A: Answer<T, E>,
    C: Classify<T, E>,
{
    type Output = Result<T, E>;

    #[expect(clippy::expect_used, reason = "polling a finished future may panic")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Asked { reply } => {
                    let result = ready!(reply.poll(cx));
                    if this.classify.judge(result.as_ref()) == Judgement::Success {
                        return Poll::Ready(result);
                    }
                    this.uses.count();
                    let answer = this.answer.take().expect("polled after the reply");
                    let answer = answer.answer(result);
                    this.state.set(State::FallenBack { answer });
                }
                StateProj::FallenBack { answer } => {
                    let result = ready!(answer.poll(cx));
                    if this.classify.judge(result.as_ref()) != Judgement::Success {
                        this.uses.count_failure();
                    }
                    return Poll::Ready(result);
                }
            }
        }
    }
}
