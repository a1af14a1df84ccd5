use super::{CallError, Rejection, outgoing::Waiting, watching::Watching};
use kit_endpoint::{Expired, Fault};
use kit_transport::Observer;
use pin_project_lite::pin_project;
use std::{
    any::type_name,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_stream::Stream;
use tonic::{Status, Streaming};

pin_project! {
    /// The replies of a call, decoded one by one as they come.
    ///
    /// It ends with its first error: a status that is not OK, a message that
    /// cannot be read, or the deadline. Dropped, it gives the call up, which
    /// cancels the handler at the other side.
    pub struct Replies<R, D, O = ()>
    where
        O: Observer,
    {
        // None once it is over: the call is given up at once.
        call: Option<Call<R>>,
        // Ended with the call, or dropped with us.
        watch: Watching<O>,
        decode: D,
        deadline: Option<Instant>,
        begun: bool,
        // Made only once a message lets us wait.
        sleep: Option<Pin<Box<Sleep>>>,
    }
}

struct Call<R> {
    messages: Streaming<R>,
    waiting: Option<Waiting>,
}

// ===== impl Replies =====

impl<R, D, O: Observer> Replies<R, D, O> {
    pub(super) const fn new(
        messages: Streaming<R>,
        watch: Watching<O>,
        waiting: Option<Waiting>,
        decode: D,
        deadline: Option<Instant>,
    ) -> Self {
        let call = Some(Call { messages, waiting });
        Self { call, watch, decode, deadline, begun: false, sleep: None }
    }

    /// The replies of a call that has none.
    pub(super) fn none(mut watch: Watching<O>, decode: D) -> Self {
        watch.end(None);
        Self { call: None, watch, decode, deadline: None, begun: false, sleep: None }
    }
}

impl<R, D, O, Reply, DE> Stream for Replies<R, D, O>
where
    O: Observer,
    D: Fn(R) -> Result<Reply, DE>,
    DE: Fault,
{
    type Item = Result<Reply, CallError>;

    // What most messages take, small enough to be a part of the caller's loop:
    // all else is a call.
    #[inline]
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.as_mut().project();
        let Some(call) = this.call else { return Poll::Ready(None) };
        match Pin::new(&mut call.messages).poll_next(cx) {
            Poll::Ready(Some(Ok(message))) if this.deadline.is_none() => {
                // Into a closure it would be moved once more.
                let reply = if O::SILENT {
                    (this.decode)(message)
                } else {
                    this.watch.during(|| (this.decode)(message))
                };
                match reply {
                    Ok(reply) => Poll::Ready(Some(Ok(reply))),
                    Err(fault) => self.end(Some(CallError::Decode(Box::new(fault)))),
                }
            }
            polled => self.poll_read(polled, cx),
        }
    }
}

impl<R, D, O: Observer> Replies<R, D, O> {
    /// Goes on from what was read: a message that may be late, the end, or
    /// nothing yet.
    #[inline(never)]
    fn poll_read<Reply, DE>(
        mut self: Pin<&mut Self>,
        polled: Poll<Option<Result<R, Status>>>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Reply, CallError>>>
    where
        D: Fn(R) -> Result<Reply, DE>,
        DE: Fault,
    {
        let this = self.as_mut().project();
        let fault = || this.call.as_ref()?.waiting.as_ref()?.fault();
        let error = match polled {
            // The first item is never dropped for the timer. A stream that
            // never waits must not outlive its deadline, though.
            Poll::Ready(Some(Ok(message))) => {
                if let Some(deadline) = *this.deadline
                    && std::mem::replace(this.begun, true)
                    && Instant::now() >= deadline
                {
                    Some(Expired::new(true).into())
                } else {
                    match this.watch.during(|| (this.decode)(message)) {
                        Ok(reply) => return Poll::Ready(Some(Ok(reply))),
                        Err(fault) => Some(CallError::Decode(Box::new(fault))),
                    }
                }
            }
            Poll::Ready(Some(Err(status))) => Some(fault().unwrap_or_else(|| {
                CallError::from(Rejection::read(status)).or_expired(*this.deadline)
            })),
            // A server may take half a stream for the whole.
            Poll::Ready(None) => fault(),
            Poll::Pending => {
                let Some(deadline) = *this.deadline else { return Poll::Pending };
                let sleep = this.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
                if sleep.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                Some(Expired::new(true).into())
            }
        };
        self.end(error)
    }

    /// Ends the call, with what the caller is told.
    #[cold]
    fn end<Reply>(
        self: Pin<&mut Self>,
        error: Option<CallError>,
    ) -> Poll<Option<Result<Reply, CallError>>> {
        let this = self.project();
        *this.call = None;
        this.watch.end(error.as_ref());
        Poll::Ready(error.map(Err))
    }
}

impl<R, D, O: Observer> fmt::Debug for Replies<R, D, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replies")
            .field("decode", &format_args!("{}", type_name::<D>()))
            .field("deadline", &self.deadline)
            .field("over", &self.call.is_none())
            .finish_non_exhaustive()
    }
}
