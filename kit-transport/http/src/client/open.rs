use super::{CallError, Rejection, future::phase, replies::Replies};
use crate::stream::ReadItems;
use http::response::Parts;
use http_body::Body;
use http_body_util::{BodyExt, Collected, Limited, combinators::Collect};
use kit_transport::{Observer, Watch};
use pin_project_lite::pin_project;
use std::{
    error, fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tower::BoxError;

pin_project! {
    /// The future of a [`StreamClient`](crate::StreamClient): the stream is there
    /// once the head of the reply is. Dropping it cancels the call.
    pub struct OpenFuture<F, B, R, O = ()>
    where
        B: Body<Error: Into<Box<dyn error::Error + Send + Sync>>>,
        O: Observer,
    {
        watch: Option<Watch<O>>,
        #[pin]
        state: State<F, B>,
        limit: usize,
        read: Option<R>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, B>
    where
        B: Body<Error: Into<Box<dyn error::Error + Send + Sync>>>,
    {
        /// Waiting for the head of the reply.
        Sent { #[pin] reply: F, sent: u64 },
        /// Reading what a failure says.
        Failed { #[pin] body: Collect<Limited<B>>, head: Parts },
        /// Failed before anything was sent, or at its end.
        Over { error: Option<CallError> },
    }
}

// ===== impl OpenFuture =====

impl<F, B, R, O> OpenFuture<F, B, R, O>
where
    B: Body<Error: Into<BoxError>>,
    O: Observer,
{
    pub(super) fn sent(watch: Watch<O>, reply: F, sent: u64, limit: usize, read: R) -> Self {
        let state = State::Sent { reply, sent };
        Self { watch: Some(watch), state, limit, read: Some(read) }
    }

    pub(super) fn failed(watch: Watch<O>, error: CallError) -> Self {
        let state = State::Over { error: Some(error) };
        Self { watch: Some(watch), state, limit: 0, read: None }
    }
}

impl<F, B, R, O, E, I> Future for OpenFuture<F, B, R, O>
where
    F: Future<Output = Result<http::Response<B>, E>>,
    E: Into<BoxError>,
    B: Body<Error: Into<BoxError>>,
    R: ReadItems<Item = Result<I, Rejection>>,
    O: Observer,
{
    type Output = Result<Replies<B, R, O>, CallError>;

    #[expect(clippy::expect_used, reason = "polling a finished future may panic")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let watch = this.watch.as_mut().expect("polled after the reply");
        let result = loop {
            match this.state.as_mut().project() {
                StateProj::Sent { reply, sent } => {
                    let reply = match ready!(reply.poll(cx)) {
                        Ok(reply) => reply,
                        Err(error) => break Err(CallError::unsent(error.into())),
                    };
                    let (mut head, body) = reply.into_parts();
                    watch.sent(*sent);
                    watch.after(head.status, &mut head.headers);
                    if !head.status.is_success() {
                        let body = Limited::new(body, *this.limit).collect();
                        this.state.set(State::Failed { body, head });
                        continue;
                    }
                    let read = this.read.take().expect("it is there until now");
                    break match read.check(&head.headers) {
                        Ok(()) => Ok((body, read)),
                        Err(fault) => Err(CallError::Decode(Box::new(fault))),
                    };
                }
                StateProj::Failed { body, head } => {
                    let body = ready!(body.poll(cx)).map(Collected::to_bytes).unwrap_or_default();
                    watch.received(body.len() as u64);
                    // A failure is one even if its body cannot be read.
                    let rejection = Rejection::new(head.status, &head.headers, &body);
                    break Err(CallError::Rejected(rejection));
                }
                StateProj::Over { error } => {
                    break Err(error.take().expect("polled after the reply"));
                }
            }
        };
        // What is left of the reply goes now, not when the caller drops us.
        this.state.set(State::Over { error: None });
        let mut watch = this.watch.take().expect("it was there when this poll began");
        Poll::Ready(match result {
            Ok((body, read)) => Ok(Replies::new(body, read, watch)),
            Err(error) => {
                watch.failed_at(phase(&error), &error);
                watch.finish();
                Err(error)
            }
        })
    }
}

impl<F, B, R, O> fmt::Debug for OpenFuture<F, B, R, O>
where
    B: Body<Error: Into<BoxError>>,
    O: Observer,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenFuture").finish_non_exhaustive()
    }
}
