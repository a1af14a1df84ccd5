use super::{CallError, future::phase, head::Head};
use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use kit_transport::{Observer, Watch};
use pin_project_lite::pin_project;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tower::BoxError;

/// In the place of a decoder: the reply as it comes. See
/// [`Client::raw`](crate::Client::raw).
#[derive(Debug, Clone, Copy)]
pub struct Raw;

pin_project! {
    /// The future of a [`Client::raw`](crate::Client::raw), which is done when
    /// the head of the reply is there. Dropping it cancels the call.
    pub struct RawFuture<F, B, O = ()>
    where
        O: Observer,
    {
        watch: Option<Watch<O>>,
        #[pin]
        head: Head<F, B>,
    }
}

pin_project! {
    /// The body of a reply, which outlives the call that brought it: see
    /// [`Client::raw`](crate::Client::raw).
    pub struct RawBody<B, O = ()>
    where
        O: Observer,
    {
        #[pin]
        body: B,
        received: u64,
        watch: Watch<O>,
    }
}

// ===== impl RawFuture =====

impl<F, B, O: Observer> RawFuture<F, B, O> {
    pub(super) const fn new(watch: Watch<O>, head: Head<F, B>) -> Self {
        Self { watch: Some(watch), head }
    }
}

impl<F, B, O, E> Future for RawFuture<F, B, O>
where
    F: Future<Output = Result<http::Response<B>, E>>,
    E: Into<BoxError>,
    B: Body<Error: Into<BoxError>>,
    O: Observer,
{
    type Output = Result<http::Response<RawBody<B, O>>, CallError>;

    #[expect(clippy::expect_used, reason = "polling a finished future may panic")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let watch = this.watch.as_mut().expect("polled after the reply");
        let reply = ready!(this.head.poll(cx, watch));
        let mut watch = this.watch.take().expect("it was there when this poll began");
        Poll::Ready(match reply {
            Ok(reply) => Ok(reply.map(|body| RawBody::new(body, watch))),
            Err(error) => {
                watch.failed_at(phase(&error), &error);
                watch.finish();
                Err(error)
            }
        })
    }
}

impl<F, B, O: Observer> fmt::Debug for RawFuture<F, B, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawFuture").finish_non_exhaustive()
    }
}

// ===== impl RawBody =====

impl<B: Body, O: Observer> RawBody<B, O> {
    fn new(body: B, mut watch: Watch<O>) -> Self {
        if body.is_end_stream() {
            watch.finish();
        }
        Self { body, received: 0, watch }
    }
}

impl<B, O> Body for RawBody<B, O>
where
    B: Body<Error: Into<BoxError>>,
    O: Observer,
{
    type Data = B::Data;
    type Error = CallError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.watch.during(|| this.body.as_mut().poll_frame(cx)));
        let frame = frame.map(|frame| frame.map_err(|error| CallError::Body(error.into())));
        let over = match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    *this.received += data.remaining() as u64;
                    this.watch.received(*this.received);
                }
                frame.is_trailers() || this.body.is_end_stream()
            }
            Some(Err(error)) => {
                this.watch.failed_at(phase(error), error);
                true
            }
            None => true,
        };
        if over {
            this.watch.finish();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B: fmt::Debug, O: Observer> fmt::Debug for RawBody<B, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawBody").field("body", &self.body).finish_non_exhaustive()
    }
}
