//! Future types.

use super::{
    CallError, Rejection, Replies,
    options::{Opening, no_message},
    outgoing::Waiting,
};
use http::Response;
use http_body::Body;
use kit_endpoint::{Expired, Fault};
use pin_project_lite::pin_project;
use prost::Message;
use std::{
    error::Error,
    fmt,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_stream::Stream;
use tonic::{Code, Streaming};

pin_project! {
    /// The future of a [`Client`](super::Client) that is replied to once.
    pub struct ResponseFuture<F, R, D> {
        #[pin]
        state: State<F, R, D>,
        waiting: Option<Waiting>,
        #[pin]
        timer: Timer,
    }
}

pin_project! {
    /// The future of a [`Client`](super::Client) that is replied to with a
    /// stream: it is there once the head of the reply is.
    pub struct StreamFuture<F, R, D> {
        #[pin]
        state: StreamState<F, D>,
        waiting: Option<Waiting>,
        #[pin]
        timer: Timer,
        messages: PhantomData<fn() -> R>,
    }
}

pin_project! {
    #[project = StreamStateProj]
    enum StreamState<F, D> {
        Called { #[pin] reply: F, decode: D, opening: Option<Opening> },
        Over { error: Option<CallError> },
    }
}

pin_project! {
    /// The deadline. Its timer is made only once the reply lets us wait.
    struct Timer {
        deadline: Option<Instant>,
        #[pin]
        sleep: Option<Sleep>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, R, D> {
        Called { #[pin] reply: F, decode: D, opening: Option<Opening> },
        Reading { messages: Streaming<R>, message: Option<R>, decode: D },
        Over { error: Option<CallError> },
    }
}

type BoxError = Box<dyn Error + Send + Sync>;

// ===== impl ResponseFuture =====

impl<F, R, D> ResponseFuture<F, R, D> {
    pub(super) const fn called(
        reply: F,
        decode: D,
        opening: Opening,
        waiting: Option<Waiting>,
        deadline: Option<Instant>,
    ) -> Self {
        let state = State::Called { reply, decode, opening: Some(opening) };
        Self { state, waiting, timer: Timer::new(deadline) }
    }

    pub(super) const fn refused(error: CallError) -> Self {
        let state = State::Over { error: Some(error) };
        Self { state, waiting: None, timer: Timer::new(None) }
    }
}

impl<F, B, E, R, D, Reply, DE> Future for ResponseFuture<F, R, D>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Error: Into<BoxError>> + Send + 'static,
    E: Into<BoxError>,
    R: Message + Default + 'static,
    D: Fn(R) -> Result<Reply, DE> + Clone,
    DE: Fault,
{
    type Output = Result<Reply, CallError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // The reply first: one that is ready is never dropped for the timer.
        let result = match this.state.as_mut().poll_reply(cx) {
            Poll::Ready(result) => match this.waiting.as_ref().and_then(Waiting::fault) {
                Some(fault) => Err(fault),
                None => result.map_err(|error| error.or_expired(this.timer.deadline)),
            },
            Poll::Pending if this.timer.poll_late(cx) => Err(Expired::new(true).into()),
            Poll::Pending => return Poll::Pending,
        };
        // The stream is reset now, not when the caller drops us.
        this.state.set(State::Over { error: None });
        *this.waiting = None;
        Poll::Ready(result)
    }
}

impl<F, R, D> fmt::Debug for ResponseFuture<F, R, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let deadline = &self.timer.deadline;
        f.debug_struct("ResponseFuture").field("deadline", deadline).finish_non_exhaustive()
    }
}

// ===== impl StreamFuture =====

impl<F, R, D> StreamFuture<F, R, D> {
    pub(super) const fn called(
        reply: F,
        decode: D,
        opening: Opening,
        waiting: Option<Waiting>,
        deadline: Option<Instant>,
    ) -> Self {
        let state = StreamState::Called { reply, decode, opening: Some(opening) };
        Self { state, waiting, timer: Timer::new(deadline), messages: PhantomData }
    }

    pub(super) const fn refused(error: CallError) -> Self {
        let state = StreamState::Over { error: Some(error) };
        Self { state, waiting: None, timer: Timer::new(None), messages: PhantomData }
    }
}

impl<F, B, E, R, D> Future for StreamFuture<F, R, D>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Error: Into<BoxError>> + Send + 'static,
    E: Into<BoxError>,
    R: Message + Default + 'static,
    D: Clone,
{
    type Output = Result<Replies<R, D>, CallError>;

    #[expect(clippy::expect_used, reason = "polling a finished future may panic")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let result = match this.state.as_mut().project() {
            StreamStateProj::Called { reply, decode, opening } => match reply.poll(cx) {
                Poll::Ready(Ok(response)) => {
                    let opening = opening.take().expect("polled after the reply");
                    opening.open(response).map(|messages| (messages, decode.clone()))
                }
                Poll::Ready(Err(error)) => Err(Rejection::transport(error).into()),
                Poll::Pending if this.timer.as_mut().poll_late(cx) => {
                    Err(Expired::new(true).into())
                }
                Poll::Pending => return Poll::Pending,
            },
            StreamStateProj::Over { error } => {
                return Poll::Ready(Err(error.take().expect("polled after the reply")));
            }
        };
        this.state.set(StreamState::Over { error: None });
        let waiting = this.waiting.take();
        let deadline = this.timer.deadline;
        Poll::Ready(match result {
            Ok((Some(messages), decode)) => Ok(Replies::new(messages, waiting, decode, deadline)),
            Ok((None, decode)) => match waiting.as_ref().and_then(Waiting::fault) {
                Some(fault) => Err(fault),
                None => Ok(Replies::none(decode)),
            },
            Err(error) => Err(match waiting.as_ref().and_then(Waiting::fault) {
                Some(fault) => fault,
                None => error.or_expired(deadline),
            }),
        })
    }
}

impl<F, R, D> fmt::Debug for StreamFuture<F, R, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let deadline = &self.timer.deadline;
        f.debug_struct("StreamFuture").field("deadline", deadline).finish_non_exhaustive()
    }
}

// ===== impl Timer =====

impl Timer {
    const fn new(deadline: Option<Instant>) -> Self {
        Self { deadline, sleep: None }
    }

    /// Says whether the deadline has passed, and else wakes when it has.
    fn poll_late(self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        let mut this = self.project();
        let Some(deadline) = *this.deadline else { return false };
        if this.sleep.is_none() {
            this.sleep.set(Some(sleep_until(deadline)));
        }
        this.sleep.as_pin_mut().is_some_and(|sleep| sleep.poll(cx).is_ready())
    }
}

// ===== impl State =====

impl<F, R, D> State<F, R, D> {
    #[expect(clippy::expect_used, reason = "polling a finished future may panic")]
    fn poll_reply<B, E, Reply, DE>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Reply, CallError>>
    where
        F: Future<Output = Result<Response<B>, E>>,
        B: Body<Error: Into<BoxError>> + Send + 'static,
        E: Into<BoxError>,
        R: Message + Default + 'static,
        D: Fn(R) -> Result<Reply, DE> + Clone,
        DE: Fault,
    {
        loop {
            match self.as_mut().project() {
                StateProj::Called { reply, decode, opening } => {
                    let response = ready!(reply.poll(cx)).map_err(Rejection::transport)?;
                    let decode = decode.clone();
                    let opening = opening.take().expect("polled after the reply");
                    let messages = opening.open(response)?.ok_or_else(no_message)?;
                    self.set(Self::Reading { messages, message: None, decode });
                }
                StateProj::Reading { messages, message, decode } => {
                    match ready!(Pin::new(messages).poll_next(cx)) {
                        Some(Ok(_)) if message.is_some() => {
                            return Poll::Ready(Err(CallError::protocol(
                                Code::Internal,
                                "the reply has more than one message",
                            )));
                        }
                        Some(Ok(first)) => *message = Some(first),
                        Some(Err(status)) => {
                            return Poll::Ready(Err(Rejection::new(status).into()));
                        }
                        None => {
                            let message = message.take().ok_or_else(no_message)?;
                            let reply =
                                decode(message).map_err(|fault| CallError::Decode(Box::new(fault)));
                            return Poll::Ready(reply);
                        }
                    }
                }
                StateProj::Over { error } => {
                    return Poll::Ready(Err(error.take().expect("polled after the reply")));
                }
            }
        }
    }
}
