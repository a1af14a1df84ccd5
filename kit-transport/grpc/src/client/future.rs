//! Future types.

use super::{
    CallError, Rejection,
    body::{Checked, drop_bad_details},
};
use http::{Response, StatusCode, header::CONTENT_TYPE};
use http_body::Body;
use kit_endpoint::{Expired, Fault};
use pin_project_lite::pin_project;
use prost::Message;
use std::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_stream::Stream;
use tonic::{Code, Status, Streaming, codec::Codec};
use tonic_prost::ProstCodec;

pin_project! {
    /// The future of a [`Client`](super::Client).
    pub struct ResponseFuture<F, R, D> {
        #[pin]
        state: State<F, R, D>,
        deadline: Option<Instant>,
        #[pin]
        sleep: Option<Sleep>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, R, D> {
        Called { #[pin] reply: F, decode: D },
        Reading { messages: Streaming<R>, message: Option<R>, decode: D },
        Over { error: Option<CallError> },
    }
}

type BoxError = Box<dyn Error + Send + Sync>;

// ===== impl ResponseFuture =====

impl<F, R, D> ResponseFuture<F, R, D> {
    pub(super) const fn called(reply: F, decode: D, deadline: Option<Instant>) -> Self {
        Self { state: State::Called { reply, decode }, deadline, sleep: None }
    }

    pub(super) const fn refused(error: CallError) -> Self {
        Self { state: State::Over { error: Some(error) }, deadline: None, sleep: None }
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
        if let Poll::Ready(result) = this.state.as_mut().poll_reply(cx) {
            this.state.set(State::Over { error: None });
            return Poll::Ready(result);
        }
        let Some(deadline) = *this.deadline else { return Poll::Pending };
        if this.sleep.is_none() {
            this.sleep.set(Some(sleep_until(deadline)));
        }
        match this.sleep.as_pin_mut().map(|sleep| sleep.poll(cx)) {
            Some(Poll::Ready(())) => {
                // The stream is reset now, not when the caller drops us.
                this.state.set(State::Over { error: None });
                Poll::Ready(Err(Expired::new(true).into()))
            }
            _ => Poll::Pending,
        }
    }
}

impl<F, R, D> fmt::Debug for ResponseFuture<F, R, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("deadline", &self.deadline).finish_non_exhaustive()
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
                StateProj::Called { reply, decode } => {
                    let response = ready!(reply.poll(cx)).map_err(Rejection::transport)?;
                    let decode = decode.clone();
                    let messages = open(response)?;
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

fn no_message() -> CallError {
    CallError::protocol(Code::Internal, "the reply has no message")
}

/// Opens the messages of a reply, if it has any.
fn open<B, R>(response: Response<B>) -> Result<Streaming<R>, CallError>
where
    B: Body<Error: Into<BoxError>> + Send + 'static,
    R: Message + Default + 'static,
{
    let (mut parts, body) = response.into_parts();
    drop_bad_details(&mut parts.headers);
    if let Some(status) = Status::from_header_map(&parts.headers) {
        return Err(match status.code() {
            Code::Ok => no_message(),
            _ => Rejection::new(status).into(),
        });
    }
    if parts.status != StatusCode::OK {
        return Err(Rejection::not_grpc(parts.status).into());
    }
    let content_type = parts.headers.get(CONTENT_TYPE).map(http::HeaderValue::as_bytes);
    if !content_type.is_some_and(|value| value.starts_with(b"application/grpc")) {
        return Err(Rejection::not_grpc(parts.status).into());
    }
    let decoder = ProstCodec::<R, R>::default().decoder();
    Ok(Streaming::new_response(decoder, Checked::new(body), parts.status, None, None))
}
