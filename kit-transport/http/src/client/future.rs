use super::{CallError, Rejection};
use bytes::Bytes;
use http::response::Parts;
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited, combinators::Collect};
use kit_endpoint::Fault;
use pin_project_lite::pin_project;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tower::BoxError;

pin_project! {
    /// The future of a [`Client`](crate::Client). Dropping it cancels the call.
    pub struct CallFuture<F, B, D>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        #[pin]
        state: State<F, B, D>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, B, D>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        /// Waiting for the head of the reply.
        Sent { #[pin] reply: F, limit: usize, decode: Option<D> },
        /// Reading its body.
        Read { #[pin] body: Collect<Limited<B>>, head: Option<Parts>, limit: usize, decode: D },
        /// Failed before anything was sent.
        Failed { error: Option<CallError> },
    }
}

// ===== impl CallFuture =====

impl<F, B, D> CallFuture<F, B, D>
where
    B: Body<Error: Into<BoxError>>,
{
    pub(super) const fn sent(reply: F, limit: usize, decode: D) -> Self {
        Self { state: State::Sent { reply, limit, decode: Some(decode) } }
    }

    pub(super) const fn failed(error: CallError) -> Self {
        Self { state: State::Failed { error: Some(error) } }
    }
}

impl<F, B, D, E, R, DE> Future for CallFuture<F, B, D>
where
    F: Future<Output = Result<http::Response<B>, E>>,
    E: Into<BoxError>,
    B: Body<Error: Into<BoxError>>,
    D: Fn(&http::Response<Bytes>) -> Result<R, DE>,
    DE: Fault,
{
    type Output = Result<R, CallError>;

    #[expect(clippy::expect_used, reason = "polling a finished future may panic")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Sent { reply, limit, decode } => {
                    let reply = ready!(reply.poll(cx)).map_err(|e| CallError::Send(e.into()))?;
                    let decode = decode.take().expect("polled after the reply");
                    let (head, body) = reply.into_parts();
                    let (limit, head) = (*limit, Some(head));
                    let body = Limited::new(body, limit).collect();
                    this.state.set(State::Read { body, head, limit, decode });
                }
                StateProj::Read { body, head, limit, decode } => {
                    let body = match ready!(body.poll(cx)) {
                        Ok(body) => body.to_bytes(),
                        Err(error) if error.is::<LengthLimitError>() => {
                            return Poll::Ready(Err(CallError::TooLarge { limit: *limit }));
                        }
                        Err(error) => return Poll::Ready(Err(CallError::Body(error))),
                    };
                    let head = head.take().expect("polled after the reply");
                    if !head.status.is_success() {
                        let rejection = Rejection::new(head.status, &head.headers, &body);
                        return Poll::Ready(Err(CallError::Rejected(rejection)));
                    }
                    let response = http::Response::from_parts(head, body);
                    let reply = decode(&response);
                    return Poll::Ready(reply.map_err(|fault| CallError::Decode(Box::new(fault))));
                }
                StateProj::Failed { error } => {
                    return Poll::Ready(Err(error.take().expect("polled after the reply")));
                }
            }
        }
    }
}

impl<F, B, D> fmt::Debug for CallFuture<F, B, D>
where
    B: Body<Error: Into<BoxError>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFuture").finish_non_exhaustive()
    }
}
