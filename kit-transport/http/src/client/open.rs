use super::{CallError, Rejection, future::phase, head::Head, replies::Replies};
use crate::stream::ReadItems;
use http_body::Body;
use kit_transport::{Observer, Watch};
use pin_project_lite::pin_project;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tower::BoxError;

pin_project! {
    /// The future of a [`StreamClient`](crate::StreamClient): the stream is there
    /// once the head of the reply is. Dropping it cancels the call.
    pub struct OpenFuture<F, B, R, O = ()>
    where
        O: Observer,
    {
        // With the reader, until the stream has both.
        call: Option<(Watch<O>, R)>,
        #[pin]
        head: Head<F, B>,
    }
}

// ===== impl OpenFuture =====

impl<F, B, R, O: Observer> OpenFuture<F, B, R, O> {
    pub(super) const fn new(watch: Watch<O>, read: R, head: Head<F, B>) -> Self {
        Self { call: Some((watch, read)), head }
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
        let this = self.project();
        let (watch, _) = this.call.as_mut().expect("polled after the reply");
        let reply = ready!(this.head.poll(cx, watch));
        let (mut watch, read) = this.call.take().expect("it was there when this poll began");
        let body = reply.and_then(|reply| match read.check(reply.headers()) {
            Ok(()) => Ok(reply.into_body()),
            Err(fault) => Err(CallError::Decode(Box::new(fault))),
        });
        Poll::Ready(match body {
            Ok(body) => Ok(Replies::new(body, read, watch)),
            Err(error) => {
                watch.failed_at(phase(&error), &error);
                watch.finish();
                Err(error)
            }
        })
    }
}

impl<F, B, R, O: Observer> fmt::Debug for OpenFuture<F, B, R, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenFuture").finish_non_exhaustive()
    }
}
