//! Future types.

use crate::{Auth, Authenticator, Denied, authenticator::Pending};
use kit_endpoint::{Carries, Refuse};
use pin_project_lite::pin_project;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tower_service::Service;

pin_project! {
    /// The future of an [`AuthService`](crate::AuthService). Dropped before it is
    /// known who sends the request, nothing ran.
    pub struct ResponseFuture<S: Service<Req>, A: Authenticator, R, Req> {
        #[pin]
        state: State<S, A, R, Req>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S: Service<Req>, A: Authenticator, R, Req> {
        Sent { #[pin] reply: S::Future },
        Waiting { verdict: Pending<A::Identity>, call: Option<Call<S, A, R, Req>> },
        Known { call: Option<(S, Req)> },
        Refused { denied: Option<Denied>, refuse: R },
    }
}

/// What is called when it is known who sends it.
struct Call<S, A, R, Req> {
    service: S,
    request: Req,
    auth: Auth<A>,
    refuse: R,
}

// ===== impl ResponseFuture =====

impl<S: Service<Req>, A: Authenticator, R, Req> ResponseFuture<S, A, R, Req> {
    pub(crate) const fn sent(reply: S::Future) -> Self {
        Self { state: State::Sent { reply } }
    }

    pub(crate) const fn refused(denied: Denied, refuse: R) -> Self {
        Self { state: State::Refused { denied: Some(denied), refuse } }
    }

    pub(crate) const fn waiting(
        verdict: Pending<A::Identity>,
        service: S,
        request: Req,
        auth: Auth<A>,
        refuse: R,
    ) -> Self {
        let call = Some(Call { service, request, auth, refuse });
        Self { state: State::Waiting { verdict, call } }
    }
}

impl<S, A, R, Req> Future for ResponseFuture<S, A, R, Req>
where
    S: Service<Req>,
    A: Authenticator,
    R: Refuse<Denied, S::Response, S::Error>,
    Req: Carries,
{
    type Output = Result<S::Response, S::Error>;

    #[expect(clippy::expect_used, reason = "polling a finished future may panic")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::Sent { reply } => return reply.poll(cx),
                StateProj::Refused { denied, refuse } => {
                    let denied = denied.take().expect("polled after the reply");
                    return Poll::Ready(refuse.refuse(denied));
                }
                StateProj::Known { call } => {
                    if let Some((service, _)) = call {
                        ready!(service.poll_ready(cx))?;
                    }
                    let (mut service, request) = call.take().expect("polled after the call");
                    State::Sent { reply: service.call(request) }
                }
                StateProj::Waiting { verdict, call } => {
                    let known = ready!(verdict.as_mut().poll(cx));
                    let Call { service, mut request, auth, refuse } =
                        call.take().expect("polled after the verdict");
                    match known {
                        Ok(identity) => {
                            auth.0.known(identity, &mut request);
                            State::Known { call: Some((service, request)) }
                        }
                        Err(denied) => {
                            let denied = Some(auth.0.denied(denied));
                            State::Refused { denied, refuse }
                        }
                    }
                }
            };
            this.state.set(next);
        }
    }
}

impl<S: Service<Req>, A: Authenticator, R, Req> fmt::Debug for ResponseFuture<S, A, R, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
