use super::{CallError, error::rejection};
use crate::gathered::Gathered;
use bytes::Bytes;
use http::response::Parts;
use http_body::Body;
use kit_endpoint::{Expired, Fault};
use kit_transport::{Observer, Phase, Watch};
use pin_project_lite::pin_project;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::time::Instant;
use tower::BoxError;

pin_project! {
    /// The future of a [`Client`](crate::Client). Dropping it cancels the call.
    pub struct CallFuture<F, B, D, O = ()>
    where
        O: Observer,
    {
        watch: Watch<O>,
        #[pin]
        state: State<F, B, D>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, B, D> {
        /// Waiting for the head of the reply.
        Sent { #[pin] reply: F, sent: u64, limit: usize, decode: Option<D> },
        /// Reading its body.
        Read { #[pin] body: B, head: Option<Parts>, gathered: Gathered, limit: usize, decode: D },
        /// Failed before anything was sent, or at its end.
        Over { error: Option<CallError> },
    }
}

// ===== impl CallFuture =====

impl<F, B, D, O: Observer> CallFuture<F, B, D, O> {
    pub(super) const fn sent(
        watch: Watch<O>,
        reply: F,
        sent: u64,
        limit: usize,
        decode: D,
    ) -> Self {
        Self { watch, state: State::Sent { reply, sent, limit, decode: Some(decode) } }
    }

    pub(super) const fn failed(watch: Watch<O>, error: CallError) -> Self {
        Self { watch, state: State::Over { error: Some(error) } }
    }
}

impl<F, B, D, O, E, R, DE> Future for CallFuture<F, B, D, O>
where
    F: Future<Output = Result<http::Response<B>, E>>,
    E: Into<BoxError>,
    B: Body<Error: Into<BoxError>>,
    D: Fn(&http::Response<Bytes>) -> Result<R, DE>,
    DE: Fault,
    O: Observer,
{
    type Output = Result<R, CallError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let result = ready!(this.state.as_mut().poll_reply(cx, this.watch));
        // What is left of the reply goes now, not when the caller drops us.
        this.state.set(State::Over { error: None });
        if let Err(error) = &result {
            this.watch.failed_at(phase(error), error);
        }
        this.watch.finish();
        Poll::Ready(result)
    }
}

impl<F, B, D, O: Observer> fmt::Debug for CallFuture<F, B, D, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFuture").finish_non_exhaustive()
    }
}

/// A call that nobody waits for any more is not worth a request.
pub(super) fn in_time(deadline: Option<Instant>) -> Result<(), CallError> {
    match deadline {
        Some(deadline) if deadline <= Instant::now() => Err(Expired::new(false).into()),
        _ => Ok(()),
    }
}

pub(super) const fn phase(error: &CallError) -> Phase {
    match error {
        CallError::Encode(_) => Phase::Encode,
        CallError::NotConnected(_)
        | CallError::Expired(_)
        | CallError::Send(_)
        | CallError::Body(_) => Phase::Send,
        CallError::Rejected(_) => Phase::Endpoint,
        CallError::TooLarge { .. } | CallError::Decode(_) => Phase::Decode,
    }
}

// ===== impl State =====

impl<F, B, D> State<F, B, D> {
    #[expect(clippy::expect_used, reason = "polling a finished future may panic")]
    fn poll_reply<O, E, R, DE>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        watch: &mut Watch<O>,
    ) -> Poll<Result<R, CallError>>
    where
        F: Future<Output = Result<http::Response<B>, E>>,
        E: Into<BoxError>,
        B: Body<Error: Into<BoxError>>,
        D: Fn(&http::Response<Bytes>) -> Result<R, DE>,
        DE: Fault,
        O: Observer,
    {
        loop {
            match self.as_mut().project() {
                StateProj::Sent { reply, sent, limit, decode } => {
                    let reply = ready!(watch.during(|| reply.poll(cx)));
                    let reply = reply.map_err(|e| CallError::unsent(e.into()))?;
                    let decode = decode.take().expect("polled after the reply");
                    let (mut head, body) = reply.into_parts();
                    watch.sent(*sent);
                    watch.after(head.status, &mut head.headers);
                    let limit = *limit;
                    let (head, gathered) = (Some(head), Gathered::default());
                    self.set(Self::Read { body, head, gathered, limit, decode });
                }
                StateProj::Read { body, head, gathered, limit, decode } => {
                    let body = ready!(gathered.poll_whole(body, cx, *limit, watch));
                    let head = head.take().expect("polled after the reply");
                    if !head.status.is_success() {
                        return Poll::Ready(Err(rejection(&head, body)));
                    }
                    let response = http::Response::from_parts(
                        head,
                        body.map_err(|error| CallError::unread(error, *limit))?,
                    );
                    let reply = watch.during(|| decode(&response));
                    return Poll::Ready(reply.map_err(|fault| CallError::Decode(Box::new(fault))));
                }
                StateProj::Over { error } => {
                    return Poll::Ready(Err(error.take().expect("polled after the reply")));
                }
            }
        }
    }
}
