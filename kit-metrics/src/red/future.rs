//! Future types.

use super::{Call, Lasts};
use crate::KindOf;
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

pin_project! {
    /// The future of a [`Red`](super::Red).
    #[derive(Debug)]
    pub struct ResponseFuture<F, C, U> {
        #[pin]
        reply: F,
        call: Option<Call>,
        classify: C,
        until: U,
    }
}

// ===== impl ResponseFuture =====

impl<F, C, U> ResponseFuture<F, C, U> {
    pub(super) const fn new(reply: F, call: Call, classify: C, until: U) -> Self {
        Self { reply, call: Some(call), classify, until }
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
        let call = this.call.take();
        let kind = this.classify.kind_of(result.as_ref());
        Poll::Ready(match (result, call, kind) {
            (Ok(reply), Some(call), None) => {
                Ok(this.until.reply(reply, call, this.classify.clone()))
            }
            (result, call, kind) => {
                if let Some(call) = call {
                    call.end(kind);
                }
                result.map(|reply| this.until.over(reply))
            }
        })
    }
}
