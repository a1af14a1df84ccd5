use super::{NoCredential, layer::write};
use http::{HeaderValue, Request};
use kit_endpoint::Refuse;
use pin_project_lite::pin_project;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tower_service::Service;

type Pending = Pin<Box<dyn Future<Output = Result<HeaderValue, NoCredential>> + Send>>;

pin_project! {
    /// The future of a [`WithCredential`](super::WithCredential). Dropped before
    /// the credential is there, nothing was sent.
    pub struct ResponseFuture<S: Service<Request<B>>, R, B> {
        #[pin]
        state: State<S, R, B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S: Service<Request<B>>, R, B> {
        Sent { #[pin] reply: S::Future },
        Waiting { value: Pending, call: Option<(S, Request<B>, R)> },
        There { call: Option<(S, Request<B>)> },
        Refused { none: Option<NoCredential>, refuse: R },
    }
}

// ===== impl ResponseFuture =====

impl<S: Service<Request<B>>, R, B> ResponseFuture<S, R, B> {
    pub(super) const fn sent(reply: S::Future) -> Self {
        Self { state: State::Sent { reply } }
    }

    pub(super) const fn refused(none: NoCredential, refuse: R) -> Self {
        Self { state: State::Refused { none: Some(none), refuse } }
    }

    pub(super) const fn waiting(
        value: Pending,
        service: S,
        request: Request<B>,
        refuse: R,
    ) -> Self {
        Self { state: State::Waiting { value, call: Some((service, request, refuse)) } }
    }
}

impl<S, R, B> Future for ResponseFuture<S, R, B>
where
    S: Service<Request<B>>,
    R: Refuse<NoCredential, S::Response, S::Error>,
{
    type Output = Result<S::Response, S::Error>;

    #[expect(clippy::expect_used, reason = "polling a finished future may panic")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProj::Sent { reply } => return reply.poll(cx),
                StateProj::Refused { none, refuse } => {
                    let none = none.take().expect("polled after the reply");
                    return Poll::Ready(refuse.refuse(none));
                }
                StateProj::There { call } => {
                    if let Some((service, _)) = call {
                        ready!(service.poll_ready(cx))?;
                    }
                    let (mut service, request) = call.take().expect("polled after the call");
                    State::Sent { reply: service.call(request) }
                }
                StateProj::Waiting { value, call } => {
                    let value = ready!(value.as_mut().poll(cx));
                    let (service, mut request, refuse) =
                        call.take().expect("polled after the credential");
                    match value {
                        Ok(value) => {
                            write(&mut request, value);
                            State::There { call: Some((service, request)) }
                        }
                        Err(none) => State::Refused { none: Some(none), refuse },
                    }
                }
            };
            this.state.set(next);
        }
    }
}

impl<S: Service<Request<B>>, R, B> fmt::Debug for ResponseFuture<S, R, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
