use crate::{DecodeError, Failure};
use bytes::Bytes;
use http::{Extensions, request::Parts};
use http_body_util::{Collected, Full, LengthLimitError};
use kit_endpoint::{self as kit, Endpoint, Expired, Fault};
use kit_transport::{Observer, Phase, RequestId, Watch, Watched};
use pin_project_lite::pin_project;
use std::{
    convert::Infallible,
    error, fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep_until};
use tower::util::Oneshot;
use tower_service::Service;

pin_project! {
    /// The future of a [`Server`](crate::Server).
    pub struct ResponseFuture<F, E, D, N, O, X, Req>
    where
        E: Service<kit::Request<Req>>,
        O: Observer,
    {
        watch: Option<Watch<O>>,
        encode: N,
        encode_error: X,
        request_id: Option<RequestId>,
        #[pin]
        state: State<F, E, D, Req>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, E, D, Req>
    where
        E: Service<kit::Request<Req>>,
    {
        /// Reading the body.
        Read {
            #[pin]
            body: F,
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
        Call { #[pin] reply: Oneshot<E, kit::Request<Req>> },
        /// Refused before there was a call.
        Refused { response: Option<http::Response<Bytes>> },
    }
}

// ===== impl ResponseFuture =====

#[expect(clippy::too_many_arguments, reason = "the parts of one request, named at one call")]
impl<F, E, D, N, O, X, Req> ResponseFuture<F, E, D, N, O, X, Req>
where
    E: Service<kit::Request<Req>>,
    O: Observer,
    X: Fn(&Failure<'_>) -> http::Response<Bytes>,
{
    pub(super) fn refused(
        mut watch: Watch<O>,
        (encode, encode_error): (N, X),
        request_id: Option<RequestId>,
        fault: &dyn Fault,
    ) -> Self {
        watch.failed_at(Phase::Decode, fault);
        let response = encode_error(&Failure { fault, request_id: request_id.as_ref() });
        let state = State::Refused { response: Some(response) };
        Self { watch: Some(watch), encode, encode_error, request_id, state }
    }

    pub(super) fn called(
        watch: Watch<O>,
        (encode, encode_error): (N, X),
        request_id: Option<RequestId>,
        endpoint: E,
        message: Req,
        extensions: Extensions,
        deadline: Option<Instant>,
    ) -> Self {
        let state = State::Call { reply: call(endpoint, message, extensions, deadline) };
        Self { watch: Some(watch), encode, encode_error, request_id, state }
    }

    pub(super) fn reading(
        watch: Watch<O>,
        (encode, encode_error): (N, X),
        request_id: Option<RequestId>,
        head: Parts,
        body: F,
        limits: (usize, Duration),
        decode: D,
        endpoint: E,
        deadline: Option<Instant>,
    ) -> Self {
        let (head, endpoint, sleep) = (Some(head), Some(endpoint), None);
        let state = State::Read { body, head, limits, decode, endpoint, deadline, sleep };
        Self { watch: Some(watch), encode, encode_error, request_id, state }
    }
}

impl<F, E, D, N, O, X, Req, DE, NE> Future for ResponseFuture<F, E, D, N, O, X, Req>
where
    F: Future<Output = Result<Collected<Bytes>, Box<dyn error::Error + Send + Sync>>>,
    E: Endpoint<Req>,
    D: Fn(&http::Request<Bytes>) -> Result<Req, DE>,
    DE: Fault,
    N: Fn(E::Response) -> Result<http::Response<Bytes>, NE>,
    NE: Fault,
    O: Observer,
    X: Fn(&Failure<'_>) -> http::Response<Bytes>,
{
    type Output = Result<http::Response<Watched<Full<Bytes>, O>>, Infallible>;

    #[expect(clippy::expect_used, reason = "polling a finished future may panic")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let watch = this.watch.as_mut().expect("polled after the reply");
        let fail = |phase, fault: &dyn Fault, watch: &mut Watch<O>| {
            watch.failed_at(phase, fault);
            let request_id = this.request_id.as_ref();
            (this.encode_error)(&Failure { fault, request_id })
        };
        let mut response = loop {
            match this.state.as_mut().project() {
                StateProj::Read { body, head, limits, decode, endpoint, deadline, mut sleep } => {
                    let (most, patience) = *limits;
                    let Poll::Ready(body) = body.poll(cx) else {
                        let now = Instant::now();
                        if sleep.is_none() {
                            let until = [now.checked_add(patience), *deadline];
                            sleep.set(until.into_iter().flatten().min().map(sleep_until));
                        }
                        let Some(sleep) = sleep.as_pin_mut() else { return Poll::Pending };
                        ready!(sleep.poll(cx));
                        break match deadline {
                            Some(deadline) if *deadline <= now => {
                                fail(Phase::Decode, &Expired::new(false), watch)
                            }
                            _ => fail(
                                Phase::Decode,
                                &DecodeError::TooSlow { limit: patience },
                                watch,
                            ),
                        };
                    };
                    let body = match body {
                        Ok(body) => body.to_bytes(),
                        Err(error) if error.is::<LengthLimitError>() => {
                            break fail(
                                Phase::Decode,
                                &DecodeError::TooLarge { limit: most },
                                watch,
                            );
                        }
                        Err(error) => break fail(Phase::Decode, &DecodeError::Body(error), watch),
                    };
                    watch.received(body.len() as u64);
                    // Taken once: this state ends here, whichever way it goes.
                    let head = head.take().expect("the head is there until the body ends");
                    let endpoint = endpoint.take().expect("so is the endpoint");
                    let request = http::Request::from_parts(head, body);
                    match decode(&request) {
                        Ok(message) => {
                            let extensions = request.into_parts().0.extensions;
                            let reply = call(endpoint, message, extensions, *deadline);
                            this.state.set(State::Call { reply });
                        }
                        Err(fault) => break fail(Phase::Decode, &fault, watch),
                    }
                }
                StateProj::Call { reply } => {
                    break match ready!(reply.poll(cx)) {
                        // Encoded whole before any of it is sent: a failure
                        // here is still an honest 500.
                        Ok(reply) => match (this.encode)(reply) {
                            Ok(response) => response,
                            Err(fault) => fail(Phase::Encode, &fault, watch),
                        },
                        Err(fault) => fail(Phase::Endpoint, &fault, watch),
                    };
                }
                StateProj::Refused { response } => {
                    break response.take().expect("polled after the reply");
                }
            }
        };
        watch.after(response.status(), response.headers_mut());
        let watch = this.watch.take().expect("it was there when this poll began");
        Poll::Ready(Ok(response.map(|body| Watched::new(Full::new(body), watch))))
    }
}

impl<F, E, D, N, O, X, Req> fmt::Debug for ResponseFuture<F, E, D, N, O, X, Req>
where
    E: Service<kit::Request<Req>>,
    O: Observer,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

fn call<E, Req>(
    endpoint: E,
    message: Req,
    extensions: Extensions,
    deadline: Option<Instant>,
) -> Oneshot<E, kit::Request<Req>>
where
    E: Service<kit::Request<Req>>,
{
    let request = kit::Request::from_parts(message, extensions);
    let request = match deadline {
        Some(deadline) => request.within(deadline),
        None => request,
    };
    Oneshot::new(endpoint, request)
}
