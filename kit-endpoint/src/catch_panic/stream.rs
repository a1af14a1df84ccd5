use super::{Panicked, error::catch_drop};
use crate::{Refuse, UntilReply, UntilStreamEnd};
use futures_core::Stream;
use pin_project_lite::pin_project;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

/// Says whether panics are caught in the reply of a call too: in a stream.
pub trait Catch<T, R>: Clone {
    /// What the reply becomes.
    type Reply;

    /// Passes on `reply`, whose panics `refuse` is to answer.
    fn catch(&self, reply: T, refuse: &R) -> Self::Reply;
}

pin_project! {
    /// A stream that ends with the fact [`Panicked`] where the inner one panics.
    #[derive(Debug)]
    pub struct CatchPanicStream<St, R> {
        #[pin]
        stream: Option<St>,
        refuse: R,
    }
}

// ===== impl Catch =====

impl<T, R> Catch<T, R> for UntilReply {
    type Reply = T;

    fn catch(&self, reply: T, _: &R) -> T {
        reply
    }
}

impl<St, R: Clone> Catch<St, R> for UntilStreamEnd {
    type Reply = CatchPanicStream<St, R>;

    fn catch(&self, reply: St, refuse: &R) -> Self::Reply {
        CatchPanicStream { stream: Some(reply), refuse: refuse.clone() }
    }
}

// ===== impl CatchPanicStream =====

impl<St, R, T, E> Stream for CatchPanicStream<St, R>
where
    St: Stream<Item = Result<T, E>>,
    R: Refuse<Panicked, T, E>,
{
    type Item = Result<T, E>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        let Some(stream) = this.stream.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        match catch_unwind(AssertUnwindSafe(|| stream.poll_next(cx))) {
            Ok(item) => item,
            Err(payload) => {
                let panicked = Panicked::new(payload);
                // What is left of the stream may panic again while it is dropped.
                catch_drop(|| this.stream.set(None));
                Poll::Ready(Some(this.refuse.refuse(panicked)))
            }
        }
    }
}
