//! Future types.

use super::{
    BulkheadFull, Place,
    compartment::{Entered, Wait},
};
use kit_endpoint::{AnyError, Refuse, Until};
use pin_project_lite::pin_project;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::time::{Sleep, sleep_until};
use tower_service::Service;

pin_project! {
    /// The future of a [`Bulkhead`](super::Bulkhead). Dropped, it waits no more, or
    /// gives its place to who is next.
    pub struct ResponseFuture<S, Req, F, R, U> {
        #[pin]
        state: State<F>,
        // Until it is called.
        call: Option<(S, Req)>,
        // After the reply: what is dropped is over before its place is given away.
        place: Option<Place>,
        refuse: R,
        until: U,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Waits {
            wait: Wait,
            // Made only once it has to wait.
            #[pin]
            sleep: Option<Sleep>,
        },
        Enters,
        Sent {
            #[pin]
            reply: F,
        },
        Refused { fact: Option<BulkheadFull> },
    }
}

// ===== impl ResponseFuture =====

impl<S, Req, F, R, U> ResponseFuture<S, Req, F, R, U> {
    pub(super) fn entered(entered: Entered, call: (S, Req), refuse: R, until: U) -> Self {
        let (state, place) = match entered {
            Entered::In(place) => (State::Enters, Some(place)),
            Entered::Waits(wait) => (State::Waits { wait, sleep: None }, None),
        };
        Self { state, call: Some(call), place, refuse, until }
    }

    pub(super) const fn refused(fact: BulkheadFull, refuse: R, until: U) -> Self {
        let state = State::Refused { fact: Some(fact) };
        Self { state, call: None, place: None, refuse, until }
    }
}

impl<S, Req, R, U> Future for ResponseFuture<S, Req, S::Future, R, U>
where
    S: Service<Req>,
    R: Refuse<BulkheadFull, S::Response, S::Error>,
    U: Until<S::Response, Place, AnyError>,
{
    type Output = Result<U::Reply, S::Error>;

    #[expect(clippy::expect_used, reason = "polling a finished future may panic")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Waits { wait, mut sleep } => {
                    let entered = match wait.poll_turn(cx) {
                        Poll::Ready(entered) => entered,
                        Poll::Pending => {
                            let Some(until) = wait.until() else { return Poll::Pending };
                            if sleep.is_none() {
                                sleep.set(Some(sleep_until(until)));
                            }
                            let sleep = sleep.as_pin_mut().expect("it was just made");
                            ready!(sleep.poll(cx));
                            wait.give_up()
                        }
                    };
                    this.state.set(match entered {
                        Ok(place) => {
                            *this.place = Some(place);
                            State::Enters
                        }
                        Err(fact) => {
                            *this.call = None;
                            State::Refused { fact: Some(fact) }
                        }
                    });
                }
                StateProj::Enters => {
                    let (service, _) = this.call.as_mut().expect("polled after a panic");
                    if let Err(error) = ready!(service.poll_ready(cx)) {
                        *this.call = None;
                        *this.place = None;
                        return Poll::Ready(Err(error));
                    }
                    let (mut service, request) = this.call.take().expect("it is there");
                    this.state.set(State::Sent { reply: service.call(request) });
                }
                StateProj::Sent { reply } => {
                    let result = ready!(reply.poll(cx));
                    let place = this.place.take().expect("polled after the reply");
                    return Poll::Ready(match result {
                        Ok(reply) => Ok(this.until.reply(reply, place, AnyError)),
                        Err(error) => Err(error),
                    });
                }
                StateProj::Refused { fact } => {
                    let fact = fact.take().expect("polled after the reply");
                    let reply = this.refuse.refuse(fact);
                    return Poll::Ready(reply.map(|reply| this.until.over(reply)));
                }
            }
        }
    }
}

impl<S, Req, F, R, U> fmt::Debug for ResponseFuture<S, Req, F, R, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("place", &self.place).finish_non_exhaustive()
    }
}
