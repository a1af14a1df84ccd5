//! Future types.

use super::{
    CallError, Rejection, Replies,
    options::{Opening, no_message},
    outgoing::Waiting,
    watching::Watching,
};
use http::Response;
use http_body::Body;
use kit_endpoint::{Expired, Fault};
use kit_transport::Observer;
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
    pub struct ResponseFuture<F, R, D, O = ()>
    where
        O: Observer,
    {
        #[pin]
        state: State<F, R, D>,
        waiting: Option<Waiting>,
        watch: Watching<O>,
        #[pin]
        timer: Timer,
    }
}

pin_project! {
    /// The future of a [`Client`](super::Client) that is replied to with a
    /// stream: it is there once the head of the reply is.
    pub struct StreamFuture<F, R, D, O = ()>
    where
        O: Observer,
    {
        #[pin]
        state: StreamState<F, D>,
        waiting: Option<Waiting>,
        // Given to the replies.
        watch: Option<Watching<O>>,
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

impl<F, R, D, O: Observer> ResponseFuture<F, R, D, O> {
    pub(super) const fn called(
        watch: Watching<O>,
        reply: F,
        decode: D,
        opening: Opening,
        waiting: Option<Waiting>,
        deadline: Option<Instant>,
    ) -> Self {
        let state = State::Called { reply, decode, opening: Some(opening) };
        Self { state, waiting, watch, timer: Timer::new(deadline) }
    }

    pub(super) const fn refused(watch: Watching<O>, error: CallError) -> Self {
        let state = State::Over { error: Some(error) };
        Self { state, waiting: None, watch, timer: Timer::new(None) }
    }
}

impl<F, B, E, R, D, O, Reply, DE> Future for ResponseFuture<F, R, D, O>
where
    O: Observer,
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
        let result = match this.state.as_mut().poll_reply(cx, this.watch) {
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
        this.watch.end(result.as_ref().err());
        Poll::Ready(result)
    }
}

impl<F, R, D, O: Observer> fmt::Debug for ResponseFuture<F, R, D, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let deadline = &self.timer.deadline;
        f.debug_struct("ResponseFuture").field("deadline", deadline).finish_non_exhaustive()
    }
}

// ===== impl StreamFuture =====

impl<F, R, D, O: Observer> StreamFuture<F, R, D, O> {
    pub(super) const fn called(
        watch: Watching<O>,
        reply: F,
        decode: D,
        opening: Opening,
        waiting: Option<Waiting>,
        deadline: Option<Instant>,
    ) -> Self {
        let state = StreamState::Called { reply, decode, opening: Some(opening) };
        let timer = Timer::new(deadline);
        Self { state, waiting, watch: Some(watch), timer, messages: PhantomData }
    }

    pub(super) const fn refused(watch: Watching<O>, error: CallError) -> Self {
        let state = StreamState::Over { error: Some(error) };
        let timer = Timer::new(None);
        Self { state, waiting: None, watch: Some(watch), timer, messages: PhantomData }
    }
}

impl<F, B, E, R, D, O> Future for StreamFuture<F, R, D, O>
where
    O: Observer,
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Error: Into<BoxError>> + Send + 'static,
    E: Into<BoxError>,
    R: Message + Default + 'static,
    D: Clone,
{
    type Output = Result<Replies<R, D, O>, CallError>;

    #[expect(clippy::expect_used, reason = "polling a finished future may panic")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let watch = this.watch.as_mut().expect("polled after the reply");
        let result = match this.state.as_mut().project() {
            StreamStateProj::Called { reply, decode, opening } => {
                match watch.during(|| reply.poll(cx)) {
                    Poll::Ready(Ok(response)) => {
                        let opening = opening.take().expect("polled after the reply");
                        opening.open(response, watch).map(|messages| (messages, decode.clone()))
                    }
                    Poll::Ready(Err(error)) => Err(Rejection::transport(error).into()),
                    Poll::Pending if this.timer.as_mut().poll_late(cx) => {
                        Err(Expired::new(true).into())
                    }
                    Poll::Pending => return Poll::Pending,
                }
            }
            StreamStateProj::Over { error } => Err(error.take().expect("polled after the reply")),
        };
        this.state.set(StreamState::Over { error: None });
        let waiting = this.waiting.take();
        let mut watch = this.watch.take().expect("it was there when this poll began");
        let deadline = this.timer.deadline;
        let fault = || waiting.as_ref().and_then(Waiting::fault);
        let error = match result {
            Ok((Some(messages), decode)) => {
                return Poll::Ready(Ok(Replies::new(messages, watch, waiting, decode, deadline)));
            }
            Ok((None, decode)) => match fault() {
                Some(fault) => fault,
                None => return Poll::Ready(Ok(Replies::none(watch, decode))),
            },
            Err(error) => fault().unwrap_or_else(|| error.or_expired(deadline)),
        };
        watch.end(Some(&error));
        Poll::Ready(Err(error))
    }
}

impl<F, R, D, O: Observer> fmt::Debug for StreamFuture<F, R, D, O> {
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
    fn poll_reply<O, B, E, Reply, DE>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        watch: &mut Watching<O>,
    ) -> Poll<Result<Reply, CallError>>
    where
        O: Observer,
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
                    let response = ready!(watch.during(|| reply.poll(cx)));
                    let response = response.map_err(Rejection::transport)?;
                    let decode = decode.clone();
                    let opening = opening.take().expect("polled after the reply");
                    let messages = opening.open(response, watch)?.ok_or_else(no_message)?;
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
                            return Poll::Ready(Err(Rejection::read(status).into()));
                        }
                        None => {
                            let message = message.take().ok_or_else(no_message)?;
                            let reply = watch.during(|| decode(message));
                            let reply = reply.map_err(|fault| CallError::Decode(Box::new(fault)));
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
