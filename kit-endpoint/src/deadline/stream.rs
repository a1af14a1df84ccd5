use super::Expired;
use crate::{Refuse, UntilReply, UntilStreamEnd};
use futures_core::Stream;
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    task::{Context, Poll},
};
use tokio::time::{Instant, Sleep, sleep_until};

/// Says whether the deadline of a call bounds its reply too: a stream's.
pub trait Bound<T, R>: Clone {
    /// What the reply becomes.
    type Reply;

    /// Bounds `reply`.
    fn bound(&self, reply: T, deadline: Option<Instant>, refuse: R) -> Self::Reply;
}

impl<T, R> Bound<T, R> for UntilReply {
    type Reply = T;

    fn bound(&self, reply: T, _: Option<Instant>, _: R) -> T {
        reply
    }
}

impl<St, R> Bound<St, R> for UntilStreamEnd {
    type Reply = DeadlineStream<St, R>;

    fn bound(&self, reply: St, deadline: Option<Instant>, refuse: R) -> Self::Reply {
        DeadlineStream { stream: Some(reply), deadline, sleep: None, late: false, refuse }
    }
}

pin_project! {
    /// A stream that ends with the fact [`Expired`] once its deadline has
    /// passed. An item that is ready goes first.
    #[derive(Debug)]
    pub struct DeadlineStream<St, R> {
        #[pin]
        stream: Option<St>,
        deadline: Option<Instant>,
        #[pin]
        sleep: Option<Sleep>,
        late: bool,
        refuse: R,
    }
}

// ===== impl DeadlineStream =====

impl<St, R, T, E> Stream for DeadlineStream<St, R>
where
    St: Stream<Item = Result<T, E>>,
    R: Refuse<Expired, T, E>,
{
    type Item = Result<T, E>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        let Some(stream) = this.stream.as_mut().as_pin_mut() else {
            // What came too late to be told with the last item.
            let late = std::mem::take(this.late);
            return Poll::Ready(late.then(|| this.refuse.refuse(Expired { ran: true })));
        };
        let item = stream.poll_next(cx);
        if let Poll::Ready(None) = item {
            // Over: asked again, it must not wait and then expire.
            this.stream.set(None);
            return item;
        }
        let Some(deadline) = *this.deadline else { return item };
        if this.sleep.is_none() {
            this.sleep.set(Some(sleep_until(deadline)));
        }
        let Some(Poll::Ready(())) = this.sleep.as_mut().as_pin_mut().map(|sleep| sleep.poll(cx))
        else {
            return item;
        };
        this.stream.set(None);
        if item.is_ready() {
            // It goes first, but a stream that always has one must end too.
            *this.late = true;
            return item;
        }
        Poll::Ready(Some(this.refuse.refuse(Expired { ran: true })))
    }
}
