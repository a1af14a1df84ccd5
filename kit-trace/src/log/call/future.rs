//! Future types.

use super::{Lasts, Line};
use kit_endpoint::KindOf;
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

pin_project! {
    /// The future of a [`Log`](super::Log).
    #[derive(Debug)]
    pub struct ResponseFuture<F, C, U> {
        #[pin]
        reply: F,
        line: Option<Line>,
        classify: C,
        until: U,
    }
}

// ===== impl ResponseFuture =====

impl<F, C, U> ResponseFuture<F, C, U> {
    pub(super) const fn new(reply: F, line: Line, classify: C, until: U) -> Self {
        Self { reply, line: Some(line), classify, until }
    }
}

impl<F, C, U, T, E> Future for ResponseFuture<F, C, U>
where
    F: Future<Output = Result<T, E>>,
    C: KindOf<T, E>,
    U: Lasts<T, C>,
{
    type Output = Result<U::Reply, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.reply.poll(cx));
        let line = this.line.take();
        let seen = result.as_ref();
        let kind = this.classify.kind_of(seen);
        Poll::Ready(match (line, kind) {
            (Some(line), None) => match result {
                Ok(reply) => Ok(this.until.reply(reply, line, this.classify.clone())),
                // An error that is no failure.
                Err(error) => {
                    line.end(None, false, None);
                    Err(error)
                }
            },
            (line, kind) => {
                if let Some(line) = line {
                    line.end(kind, this.classify.is_refused(seen), this.classify.fault(seen));
                }
                result.map(|reply| this.until.over(reply))
            }
        })
    }
}
