//! Future types.

use crate::{Open, Permit, throttle};
use kit_endpoint::{Classify, Judgement, Refuse, Settle, Until};
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

pub use crate::fallback::future::FallbackFuture;

pin_project! {
    /// The future of a [`Breaker`](crate::Breaker), and with another permit and
    /// fact of [`Throttling`](crate::throttle::Throttling). Dropped before the
    /// reply it is neither success nor failure, and gives a probe's place back.
    #[derive(Debug)]
    pub struct ResponseFuture<F, C, R, U, P = Permit, X = Open> {
        #[pin]
        state: State<F, C, R, P, X>,
        until: U,
    }
}

/// The future of [`Throttling`](crate::throttle::Throttling).
pub type ThrottledFuture<F, C, R, U> =
    ResponseFuture<F, C, R, U, throttle::Pass, throttle::Throttled>;

pin_project! {
    #[project = StateProj]
    #[derive(Debug)]
    enum State<F, C, R, P, X> {
        Sent { #[pin] reply: F, call: Option<(P, C)> },
        Refused { fact: Option<X>, refuse: R },
    }
}

/// What is held while the service is asked.
pub trait Held: Settle {
    /// Asks the service for something; who cares learns of a panic.
    fn during<T>(&mut self, ask: impl FnOnce() -> T) -> T;
}

// ===== impl ResponseFuture =====

impl<F, C, R, U, P, X> ResponseFuture<F, C, R, U, P, X> {
    pub(crate) const fn sent(reply: F, permit: P, classify: C, until: U) -> Self {
        Self { state: State::Sent { reply, call: Some((permit, classify)) }, until }
    }

    pub(crate) const fn refused(fact: X, refuse: R, until: U) -> Self {
        Self { state: State::Refused { fact: Some(fact), refuse }, until }
    }
}

impl<F, C, R, U, P, X, T, E> Future for ResponseFuture<F, C, R, U, P, X>
where
    F: Future<Output = Result<T, E>>,
    C: Classify<T, E>,
    R: Refuse<X, T, E>,
    U: Until<T, P, C>,
    P: Held,
{
    type Output = Result<U::Reply, E>;

    #[expect(clippy::expect_used, reason = "polling a finished future may panic")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.state.project() {
            StateProj::Sent { reply, call } => {
                let (permit, _) = call.as_mut().expect("polled after the reply");
                let result = ready!(permit.during(|| reply.poll(cx)));
                let (permit, classify) = call.take().expect("it is there");
                Poll::Ready(match result {
                    Ok(reply) => match classify.judge(Ok(&reply)) {
                        Judgement::Success => Ok(this.until.reply(reply, permit, classify)),
                        judgement => {
                            permit.settle(judgement);
                            Ok(this.until.over(reply))
                        }
                    },
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

// ===== impl Held =====

impl Held for Permit {
    #[inline]
    fn during<T>(&mut self, ask: impl FnOnce() -> T) -> T {
        Self::during(self, ask)
    }
}

impl Held for throttle::Pass {
    #[inline]
    fn during<T>(&mut self, ask: impl FnOnce() -> T) -> T {
        Self::during(self, ask)
    }
}
