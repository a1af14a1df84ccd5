use crate::{
    DecodeError, Failure,
    gathered::{Gathered, Ungathered},
    identity::Identity,
    stream::Received,
};
use bytes::Bytes;
use http::{Extensions, request::Parts};
use http_body::Body;
use kit_endpoint::{self as kit, Endpoint, Expired, Fault};
use kit_transport::{Observer, Phase, Watch};
use pin_project_lite::pin_project;
use std::{
    error,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep_until};
use tower::util::Oneshot;
use tower_service::Service;

pin_project! {
    /// One request on its way to the endpoint and back, whatever the shape: all
    /// but the encoding of the reply.
    pub struct Exchange<B, E, D, O, X, Req>
    where
        E: Service<kit::Request<Req>>,
        O: Observer,
    {
        rest: Option<Rest<O, X>>,
        #[pin]
        state: State<B, E, D, Req>,
    }
}

/// What outlives the call of the endpoint: who watches, who encodes failures.
pub(super) struct Rest<O: Observer, X> {
    pub(super) watch: Watch<O>,
    pub(super) encode_error: X,
    pub(super) ids: Identity,
    /// Where the request is a stream, how much of it came.
    pub(super) received: Received,
    /// When the call ends, whatever it is at.
    pub(super) deadline: Option<Instant>,
}

pin_project! {
    #[project = StateProj]
    enum State<B, E, D, Req>
    where
        E: Service<kit::Request<Req>>,
    {
        /// Reading the body.
        Read {
            #[pin]
            body: B,
            gathered: Gathered,
            head: Option<Parts>,
            limits: (usize, Duration),
            decode: D,
            endpoint: Option<E>,
            deadline: Option<Instant>,
            // Made only once the body lets us wait.
            #[pin]
            sleep: Option<Sleep>,
        },
        /// Waiting for the endpoint, first to be ready, then to reply.
        Call {
            #[pin]
            reply: Oneshot<E, kit::Request<Req>>,
            // As above.
            #[pin]
            sleep: Option<Sleep>,
        },
        /// Refused before there was a call.
        Refused { response: Option<http::Response<Bytes>> },
    }
}

// ===== impl Exchange =====

#[expect(clippy::too_many_arguments, reason = "the parts of one request, named at one call")]
impl<B, E, D, O, X, Req> Exchange<B, E, D, O, X, Req>
where
    E: Service<kit::Request<Req>>,
    O: Observer,
    X: Fn(&Failure<'_>) -> http::Response<Bytes>,
{
    pub(super) fn refused(
        watch: Watch<O>,
        encode_error: X,
        ids: Identity,
        fault: &dyn Fault,
    ) -> Self {
        let mut rest = Rest::new(watch, encode_error, ids);
        let response = Some(rest.fail(Phase::Decode, fault));
        Self { rest: Some(rest), state: State::Refused { response } }
    }

    pub(super) fn called(
        watch: Watch<O>,
        encode_error: X,
        ids: Identity,
        endpoint: E,
        request: kit::Request<Req>,
    ) -> Self {
        let rest = Some(Rest::new(watch, encode_error, ids));
        Self { rest, state: State::Call { reply: Oneshot::new(endpoint, request), sleep: None } }
    }

    pub(super) fn reading(
        watch: Watch<O>,
        encode_error: X,
        ids: Identity,
        head: Parts,
        body: B,
        limits: (usize, Duration),
        decode: D,
        endpoint: E,
        deadline: Option<Instant>,
    ) -> Self {
        let (head, endpoint, sleep) = (Some(head), Some(endpoint), None);
        let gathered = Gathered::default();
        let rest = Some(Rest::new(watch, encode_error, ids));
        let state = State::Read { body, gathered, head, limits, decode, endpoint, deadline, sleep };
        Self { rest, state }
    }

    /// Ends the call at `deadline`, once the endpoint is called.
    pub(super) fn within(mut self, deadline: Option<Instant>) -> Self {
        if let Some(rest) = &mut self.rest {
            rest.deadline = deadline;
        }
        self
    }

    /// Counts what comes while the endpoint is at work.
    pub(super) fn receiving(mut self, received: Received) -> Self {
        if let Some(rest) = &mut self.rest {
            rest.received = received;
        }
        self
    }
}

impl<B, E, D, O, X, Req, DE> Exchange<B, E, D, O, X, Req>
where
    B: Body<Error: Into<Box<dyn error::Error + Send + Sync>>>,
    E: Endpoint<Req>,
    D: Fn(&http::Request<Bytes>) -> Result<Req, DE>,
    DE: Fault,
    O: Observer,
    X: Fn(&Failure<'_>) -> http::Response<Bytes>,
{
    /// Returns the reply, or the answer to a failure, of which the watch knows;
    /// and what is left to be done with.
    #[expect(clippy::expect_used, reason = "polling a finished future may panic")]
    #[inline]
    pub(super) fn poll_reply(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<(Result<E::Response, http::Response<Bytes>>, Rest<O, X>)> {
        let mut this = self.project();
        let rest = this.rest.as_mut().expect("polled after the reply");
        let reply = loop {
            match this.state.as_mut().project() {
                StateProj::Read {
                    body,
                    gathered,
                    head,
                    limits,
                    decode,
                    endpoint,
                    deadline,
                    mut sleep,
                } => {
                    let (limit, patience) = *limits;
                    let body = gathered.poll_whole(body, cx, limit, &mut rest.watch);
                    let Poll::Ready(body) = body else {
                        let now = Instant::now();
                        if sleep.is_none() {
                            let until = [now.checked_add(patience), *deadline];
                            sleep.set(until.into_iter().flatten().min().map(sleep_until));
                        }
                        let Some(sleep) = sleep.as_pin_mut() else { return Poll::Pending };
                        ready!(sleep.poll(cx));
                        break Err(match deadline {
                            Some(deadline) if *deadline <= now => {
                                rest.fail(Phase::Decode, &Expired::new(false))
                            }
                            _ => {
                                let fault = DecodeError::TooSlow { limit: patience };
                                rest.fail(Phase::Decode, &fault)
                            }
                        });
                    };
                    let body = match body {
                        Ok(body) => body,
                        Err(error) => {
                            let fault = match error {
                                Ungathered::TooLarge => DecodeError::TooLarge { limit },
                                Ungathered::Broken(error) => DecodeError::Body(error),
                            };
                            break Err(rest.fail(Phase::Decode, &fault));
                        }
                    };
                    if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                        break Err(rest.fail(Phase::Decode, &Expired::new(false)));
                    }
                    // Taken once: this state ends here, whichever way it goes.
                    let head = head.take().expect("the head is there until the body ends");
                    let endpoint = endpoint.take().expect("so is the endpoint");
                    let request = http::Request::from_parts(head, body);
                    match rest.watch.during(|| decode(&request)) {
                        Ok(message) => {
                            let extensions = request.into_parts().0.extensions;
                            let request = kit_request(message, extensions, *deadline);
                            let reply = Oneshot::new(endpoint, request);
                            this.state.set(State::Call { reply, sleep: None });
                        }
                        Err(fault) => break Err(rest.fail(Phase::Decode, &fault)),
                    }
                }
                StateProj::Call { reply, mut sleep } => {
                    let reply = rest.watch.during(|| reply.poll(cx));
                    if let Some(received) = rest.received.get() {
                        rest.watch.received(received);
                    }
                    let Poll::Ready(reply) = reply else {
                        let Some(deadline) = rest.deadline else { return Poll::Pending };
                        if sleep.is_none() {
                            sleep.set(Some(sleep_until(deadline)));
                        }
                        let Some(sleep) = sleep.as_pin_mut() else { return Poll::Pending };
                        ready!(sleep.poll(cx));
                        break Err(rest.fail(Phase::Endpoint, &Expired::new(true)));
                    };
                    break reply.map_err(|fault| rest.fail(Phase::Endpoint, &fault));
                }
                StateProj::Refused { response } => {
                    break Err(response.take().expect("polled after the reply"));
                }
            }
        };
        // The work is dropped now, not when our caller drops us.
        this.state.set(State::Refused { response: None });
        Poll::Ready((reply, this.rest.take().expect("it was there when this poll began")))
    }
}

// ===== impl Rest =====

impl<O: Observer, X> Rest<O, X> {
    fn new(watch: Watch<O>, encode_error: X, ids: Identity) -> Self {
        Self { watch, encode_error, ids, received: Received::default(), deadline: None }
    }
}

impl<O, X> Rest<O, X>
where
    O: Observer,
    X: Fn(&Failure<'_>) -> http::Response<Bytes>,
{
    /// Tells the watch of a fault, and returns the answer to it.
    pub(super) fn fail(&mut self, phase: Phase, fault: &dyn Fault) -> http::Response<Bytes> {
        let Self { watch, encode_error, ids, .. } = self;
        watch.failed_at(phase, fault);
        let (request_id, trace_id) = (ids.request_id.as_ref(), ids.trace_id);
        watch.during(|| encode_error(&Failure { fault, request_id, trace_id }))
    }
}

pub(super) fn kit_request<Req>(
    message: Req,
    extensions: Extensions,
    deadline: Option<Instant>,
) -> kit::Request<Req> {
    let request = kit::Request::from_parts(message, extensions);
    match deadline {
        Some(deadline) => request.within(deadline),
        None => request,
    }
}
