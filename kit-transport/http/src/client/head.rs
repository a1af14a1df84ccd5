use super::{CallError, error::rejection};
use crate::gathered::Gathered;
use http::response::Parts;
use http_body::Body;
use kit_transport::{Observer, Watch};
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};
use tower::BoxError;

pin_project! {
    /// Waits for the head of a reply whose body is somebody else's to read,
    /// except that of a failure.
    #[project = HeadProj]
    pub(super) enum Head<F, B> {
        /// Waiting for the head of the reply.
        Sent { #[pin] reply: F, sent: u64, limit: usize },
        /// Reading what a failure says.
        Failed { #[pin] body: B, head: Parts, gathered: Gathered, limit: usize },
        /// Failed before anything was sent, or at its end.
        Over { error: Option<CallError> },
    }
}

// ===== impl Head =====

impl<F, B> Head<F, B> {
    /// Waits for the reply to a request of `sent` bytes; of a failure up to
    /// `limit` bytes are read.
    pub(super) const fn sent(reply: F, sent: u64, limit: usize) -> Self {
        Self::Sent { reply, sent, limit }
    }

    pub(super) const fn failed(error: CallError) -> Self {
        Self::Over { error: Some(error) }
    }

    /// # Panics
    ///
    /// If it is over already.
    #[expect(clippy::expect_used, reason = "polling a finished future may panic")]
    pub(super) fn poll<O, E>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        watch: &mut Watch<O>,
    ) -> Poll<Result<http::Response<B>, CallError>>
    where
        F: Future<Output = Result<http::Response<B>, E>>,
        E: Into<BoxError>,
        B: Body<Error: Into<BoxError>>,
        O: Observer,
    {
        let result = loop {
            match self.as_mut().project() {
                HeadProj::Sent { reply, sent, limit } => {
                    let reply = match ready!(watch.during(|| reply.poll(cx))) {
                        Ok(reply) => reply,
                        Err(error) => break Err(CallError::unsent(error.into())),
                    };
                    let (mut head, body) = reply.into_parts();
                    watch.sent(*sent);
                    watch.after(head.status, &mut head.headers);
                    if head.status.is_success() {
                        break Ok(http::Response::from_parts(head, body));
                    }
                    let (gathered, limit) = (Gathered::default(), *limit);
                    self.set(Self::Failed { body, head, gathered, limit });
                }
                HeadProj::Failed { body, head, gathered, limit } => {
                    let body = ready!(gathered.poll_whole(body, cx, *limit, watch));
                    break Err(rejection(head, body));
                }
                HeadProj::Over { error } => {
                    break Err(error.take().expect("polled after the reply"));
                }
            }
        };
        // What is left of the reply goes now, not when the caller drops us.
        self.set(Self::Over { error: None });
        Poll::Ready(result)
    }
}
