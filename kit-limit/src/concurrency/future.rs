//! Future types.

use super::{ConcurrencyLimited, Permit};
use kit_endpoint::{Classify, Judgement, Refuse, Settle, Until};
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

pin_project! {
    /// The future of a [`ConcurrencyLimit`](super::ConcurrencyLimit). Dropped before
    /// the reply, it gives its place back.
    #[derive(Debug)]
    pub struct ResponseFuture<F, C, R, U> {
        #[pin]
        state: State<F, C, R>,
        until: U,
    }
}

pin_project! {
    #[project = StateProj]
    #[derive(Debug)]
    enum State<F, C, R> {
        Sent { #[pin] reply: F, call: Option<(Permit, C)> },
        Refused { fact: Option<ConcurrencyLimited>, refuse: R },
    }
}

// ===== impl ResponseFuture =====

impl<F, C, R, U> ResponseFuture<F, C, R, U> {
    pub(super) const fn sent(reply: F, permit: Permit, classify: C, until: U) -> Self {
        Self { state: State::Sent { reply, call: Some((permit, classify)) }, until }
    }

    pub(super) const fn refused(fact: ConcurrencyLimited, refuse: R, until: U) -> Self {
        Self { state: State::Refused { fact: Some(fact), refuse }, until }
    }
}

impl<F, C, R, U, T, E> Future for ResponseFuture<F, C, R, U>
where
    F: Future<Output = Result<T, E>>,
    C: Classify<T, E>,
    R: Refuse<ConcurrencyLimited, T, E>,
    U: Until<T, Permit, C>,
{
    type Output = Result<U::Reply, E>;

    #[expect(clippy::expect_used, reason = "polling a finished future may panic")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.state.project() {
            StateProj::Sent { reply, call } => {
                let result = ready!(reply.poll(cx));
                let (mut permit, classify) = call.take().expect("polled after the reply");
                Poll::Ready(match result {
                    Ok(reply) => {
                        match classify.judge(Ok(&reply)) {
                            Judgement::Success => {}
                            // It is judged, and in flight as long as any other.
                            judgement => permit.tell(judgement),
                        }
                        Ok(this.until.reply(reply, permit, classify))
                    }
                    Err(error) => {
                        permit.settle(classify.judge(Err(&error)));
                        Err(error)
                    }
                })
            }
            StateProj::Refused { fact, refuse } => {
                let fact = fact.take().expect("polled after the reply");
                Poll::Ready(refuse.refuse(fact).map(|reply| this.until.over(reply)))
            }
        }
    }
}
