use super::{Forwarded, ProxyBody, Unproxied, body::Passed, headers};
use crate::{Failure, bodiless::without_body, identity::Identity};
use bytes::Bytes;
use http::{StatusCode, Version};
use http_body::Body;
use kit_endpoint::{Expired, Fault};
use kit_transport::{Observer, Phase, Watch};
use pin_project_lite::pin_project;
use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep_until};
use tower::{BoxError, util::Oneshot};
use tower_service::Service;

pin_project! {
    /// The future of a [`Proxy`](super::Proxy).
    pub struct ProxyFuture<S, B, X, O>
    where
        S: Service<http::Request<Forwarded<B>>>,
        O: Observer,
    {
        watch: Option<Watch<O>>,
        encode_error: X,
        ids: Identity,
        // A HEAD: the body of the reply is not sent.
        bodiless: bool,
        #[pin]
        state: State<S, B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B>
    where
        S: Service<http::Request<Forwarded<B>>>,
    {
        Call {
            #[pin]
            reply: Oneshot<S, http::Request<Forwarded<B>>>,
            waiting: Waiting,
            // Made only once the reply lets us wait.
            #[pin]
            sleep: Option<Sleep>,
        },
        /// Refused before there was a call, or at its end.
        Refused { fault: Option<Unproxied> },
    }
}

/// How long the head of a reply is waited for.
pub(super) struct Waiting {
    pub(super) passed: Arc<Passed>,
    /// What of the request had passed when the wait began.
    pub(super) seen: u64,
    pub(super) limit: Duration,
    pub(super) deadline: Option<Instant>,
}

// ===== impl ProxyFuture =====

impl<S, B, X, O> ProxyFuture<S, B, X, O>
where
    S: Service<http::Request<Forwarded<B>>>,
    O: Observer,
{
    pub(super) fn new(
        watch: Watch<O>,
        encode_error: X,
        ids: Identity,
        bodiless: bool,
        call: Result<(Oneshot<S, http::Request<Forwarded<B>>>, Waiting), Unproxied>,
    ) -> Self {
        let state = match call {
            Ok((reply, waiting)) => State::Call { reply, waiting, sleep: None },
            Err(fault) => State::Refused { fault: Some(fault) },
        };
        Self { watch: Some(watch), encode_error, ids, bodiless, state }
    }
}

impl<S, B, B2, X, O> Future for ProxyFuture<S, B, X, O>
where
    S: Service<http::Request<Forwarded<B>>, Response = http::Response<B2>, Error: Into<BoxError>>,
    B2: Body<Data = Bytes, Error: Into<BoxError>>,
    X: Fn(&Failure<'_>) -> http::Response<Bytes>,
    O: Observer,
{
    type Output = Result<http::Response<ProxyBody<B2, O>>, Infallible>;

    #[expect(clippy::expect_used, reason = "polling a finished future may panic")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let watch = this.watch.as_mut().expect("polled after the reply");
        if let StateProj::Call { waiting, .. } = this.state.as_mut().project() {
            watch.received(waiting.passed.bytes());
        }
        let result = ready!(watch.during(|| this.state.as_mut().poll_reply(cx)));
        if let StateProj::Call { waiting, .. } = this.state.as_mut().project() {
            watch.received(waiting.passed.bytes());
        }
        // What is left of the request goes now, not when the caller drops us;
        // of a call that has its reply the body goes on by itself.
        this.state.set(State::Refused { fault: None });
        let mut watch = this.watch.take().expect("it was there when this poll began");
        Poll::Ready(Ok(match result {
            Ok((mut response, passed, deadline)) => {
                headers::end_to_end(response.headers_mut());
                // The upstream's version was of its connection.
                *response.version_mut() = Version::HTTP_11;
                let status = response.status();
                watch.after(status, response.headers_mut());
                let bodiless = *this.bodiless
                    || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
                response.map(|body| ProxyBody::upstream(body, passed, deadline, bodiless, watch))
            }
            Err(fault) => {
                watch.failed_at(phase(&fault), &fault);
                let (request_id, trace_id) = (this.ids.request_id.as_ref(), this.ids.trace_id);
                let fault = &fault as &dyn Fault;
                let failure = Failure { fault, request_id, trace_id };
                let mut response = watch.during(|| (this.encode_error)(&failure));
                watch.after(response.status(), response.headers_mut());
                without_body(&mut response, *this.bodiless);
                response.map(|said| ProxyBody::said(said, watch))
            }
        }))
    }
}

impl<S, B, X, O> fmt::Debug for ProxyFuture<S, B, X, O>
where
    S: Service<http::Request<Forwarded<B>>>,
    O: Observer,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyFuture").finish_non_exhaustive()
    }
}

const fn phase(fault: &Unproxied) -> Phase {
    match fault {
        Unproxied::BadTimeout(_) | Unproxied::Outside | Unproxied::Tunnel | Unproxied::Body(_) => {
            Phase::Decode
        }
        _ => Phase::Endpoint,
    }
}

// ===== impl State =====

type Replied<B> = (http::Response<B>, Arc<Passed>, Option<Instant>);

impl<S, B, B2> State<S, B>
where
    S: Service<http::Request<Forwarded<B>>, Response = http::Response<B2>, Error: Into<BoxError>>,
{
    #[expect(clippy::expect_used, reason = "polling a finished future may panic")]
    fn poll_reply(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Replied<B2>, Unproxied>> {
        match self.as_mut().project() {
            StateProj::Call { reply, waiting, mut sleep } => {
                // The reply first: one that is ready is never dropped for the timer.
                if let Poll::Ready(reply) = reply.poll(cx) {
                    return Poll::Ready(waiting.judge(reply.map_err(Into::into)));
                }
                loop {
                    let now = Instant::now();
                    if sleep.is_none() {
                        let until = [now.checked_add(waiting.limit), waiting.deadline];
                        sleep.set(until.into_iter().flatten().min().map(sleep_until));
                    }
                    let Some(timer) = sleep.as_mut().as_pin_mut() else { return Poll::Pending };
                    ready!(timer.poll(cx));
                    let passed = waiting.passed.bytes();
                    if waiting.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                        return Poll::Ready(Err(Unproxied::Expired(Expired::new(true))));
                    }
                    // Who still sends is not waiting for a reply.
                    if passed == waiting.seen {
                        return Poll::Ready(Err(Unproxied::TooSlow { limit: waiting.limit }));
                    }
                    waiting.seen = passed;
                    sleep.set(None);
                }
            }
            StateProj::Refused { fault } => {
                Poll::Ready(Err(fault.take().expect("polled after the reply")))
            }
        }
    }
}

// ===== impl Waiting =====

impl Waiting {
    fn judge<B>(
        &self,
        reply: Result<http::Response<B>, BoxError>,
    ) -> Result<Replied<B>, Unproxied> {
        match reply {
            Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                Err(Unproxied::Switched)
            }
            Ok(response) => Ok((response, Arc::clone(&self.passed), self.deadline)),
            // The connection to the upstream says so of either end.
            Err(error) if self.passed.broke() => Err(Unproxied::Body(error)),
            Err(error) => Err(Unproxied::upstream(error)),
        }
    }
}
