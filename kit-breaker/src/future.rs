//! Future types.

use crate::{Open, Permit};
use kit_endpoint::{Classify, Judgement, Refuse, Until};
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

pin_project! {
    /// The future of a [`Breaker`](crate::Breaker). Dropped before the reply
    /// it is neither success nor failure, and gives a probe's place back.
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
        Refused { open: Open, refuse: R },
    }
}

// ===== impl ResponseFuture =====

impl<F, C, R, U> ResponseFuture<F, C, R, U> {
    pub(crate) const fn sent(reply: F, permit: Permit, classify: C, until: U) -> Self {
        Self { state: State::Sent { reply, call: Some((permit, classify)) }, until }
    }

    pub(crate) const fn refused(open: Open, refuse: R, until: U) -> Self {
        Self { state: State::Refused { open, refuse }, until }
    }
}

impl<F, C, R, U, T, E> Future for ResponseFuture<F, C, R, U>
where
    F: Future<Output = Result<T, E>>,
    C: Classify<T, E>,
    R: Refuse<Open, T, E>,
    U: Until<T, Permit, C>,
{
    type Output = Result<U::Reply, E>;

    #[expect(clippy::expect_used, reason = "polling a finished future may panic")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.state.project() {
            StateProj::Sent { reply, call } => {
                let (permit, _) = call.as_mut().expect("polled after the reply");
                let result = ready!(permit.during(|| reply.poll(cx)));
                let (mut permit, classify) = call.take().expect("it is there");
                Poll::Ready(match result {
                    Ok(reply) => match classify.judge(Ok(&reply)) {
                        Judgement::Success => Ok(this.until.reply(reply, permit, classify)),
                        judgement => {
                            permit.record(judgement);
                            Ok(this.until.over(reply))
                        }
                    },
                    Err(error) => {
                        permit.record(classify.judge(Err(&error)));
                        Err(error)
                    }
                })
            }
            StateProj::Refused { open, refuse } => {
                Poll::Ready(refuse.refuse(*open).map(|reply| this.until.over(reply)))
            }
        }
    }
}
