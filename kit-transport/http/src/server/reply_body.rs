use super::exchange::Rest;
use crate::{Failure, stream::WriteItems};
use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use http_body::{Body, Frame, SizeHint};
use kit_endpoint::{Expired, Fault};
use kit_transport::{Observer, Phase};
use pin_project_lite::pin_project;
use std::{
    any::type_name,
    convert::Infallible,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::time::{Instant, Sleep, sleep_until};

pin_project! {
    /// The body of a reply that is a stream, written item by item as the
    /// connection asks for it; or the answer to a failure before it.
    ///
    /// A fault is written as the last item. The request is over when the last
    /// frame is taken; dropped, it drops the endpoint's stream.
    pub struct ReplyBody<St, W, O, X>
    where
        O: Observer,
    {
        // None once it is over: what the endpoint holds is let go at once.
        #[pin]
        stream: Option<St>,
        whole: Bytes,
        write: W,
        // Items are split off it, so that they share allocations.
        buffer: BytesMut,
        sent: u64,
        begun: bool,
        rest: Rest<O, X>,
        // For the keep-alive and the deadline. Made only once an item lets us wait.
        sleep: Option<Pin<Box<Sleep>>>,
        // Whether something was sent since the timer was set.
        stale: bool,
    }
}

// ===== impl ReplyBody =====

impl<St, W, O: Observer, X> ReplyBody<St, W, O, X> {
    pub(super) fn stream(stream: St, write: W, rest: Rest<O, X>) -> Self {
        Self::new(Some(stream), Bytes::new(), write, rest)
    }

    pub(super) fn whole(bytes: Bytes, write: W, rest: Rest<O, X>) -> Self {
        let mut body = Self::new(None, bytes, write, rest);
        if body.whole.is_empty() {
            body.rest.watch.finish();
        }
        body
    }

    fn new(stream: Option<St>, whole: Bytes, write: W, rest: Rest<O, X>) -> Self {
        Self {
            stream,
            whole,
            write,
            buffer: BytesMut::new(),
            sent: 0,
            begun: false,
            rest,
            sleep: None,
            stale: false,
        }
    }
}

impl<St, W, O, X, T, E> Body for ReplyBody<St, W, O, X>
where
    St: Stream<Item = Result<T, E>>,
    E: Fault,
    W: WriteItems<T>,
    O: Observer,
    X: Fn(&Failure<'_>) -> http::Response<Bytes>,
{
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let mut this = self.project();
        let Some(stream) = this.stream.as_mut().as_pin_mut() else {
            let whole = std::mem::take(this.whole);
            *this.sent += whole.len() as u64;
            this.rest.watch.sent(*this.sent);
            this.rest.watch.finish();
            return Poll::Ready((!whole.is_empty()).then_some(Ok(Frame::data(whole))));
        };
        let item = this.rest.watch.during(|| stream.poll_next(cx));
        if let Some(received) = this.rest.received.get() {
            this.rest.watch.received(received);
        }
        let deadline = this.rest.deadline;
        let late = || deadline.is_some_and(|deadline| Instant::now() >= deadline);
        let failed = match item {
            // The first item is never dropped for the clock. A stream that never
            // waits must not outlive its deadline, though.
            Poll::Ready(Some(Ok(_))) if *this.begun && late() => {
                Some(this.rest.fault(Phase::Endpoint, &Expired::new(true), this.write, this.buffer))
            }
            Poll::Ready(Some(Ok(item))) => {
                (*this.begun, *this.stale) = (true, true);
                match this.rest.watch.during(|| this.write.item(item, this.buffer)) {
                    Ok(()) => None,
                    Err(fault) => {
                        this.buffer.clear();
                        Some(this.rest.fault(Phase::Encode, &fault, this.write, this.buffer))
                    }
                }
            }
            Poll::Ready(Some(Err(fault))) => {
                Some(this.rest.fault(Phase::Endpoint, &fault, this.write, this.buffer))
            }
            Poll::Ready(None) => {
                this.stream.set(None);
                this.rest.watch.finish();
                return Poll::Ready(None);
            }
            Poll::Pending => {
                let keep_alive = this.write.keep_alive();
                if std::mem::take(this.stale) || this.sleep.is_none() {
                    let now = Instant::now();
                    let idle = keep_alive.as_ref().and_then(|(after, _)| now.checked_add(*after));
                    let until = [idle, deadline].into_iter().flatten().min();
                    match (until, &mut *this.sleep) {
                        (Some(until), Some(sleep)) => sleep.as_mut().reset(until),
                        (until, sleep) => *sleep = until.map(|until| Box::pin(sleep_until(until))),
                    }
                }
                let Some(sleep) = this.sleep else { return Poll::Pending };
                ready!(sleep.as_mut().poll(cx));
                match keep_alive {
                    Some((_, bytes)) if !late() => {
                        this.buffer.extend_from_slice(&bytes);
                        *this.stale = true;
                        None
                    }
                    _ => {
                        let fault = Expired::new(true);
                        Some(this.rest.fault(Phase::Endpoint, &fault, this.write, this.buffer))
                    }
                }
            }
        };
        let frame = this.buffer.split().freeze();
        *this.sent += frame.len() as u64;
        this.rest.watch.sent(*this.sent);
        if let Some(Written) = failed {
            this.stream.set(None);
            *this.sleep = None;
            // hyper does not ask again a body that is at its end.
            this.rest.watch.finish();
        }
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_none() && self.whole.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match self.stream {
            Some(_) => SizeHint::default(),
            None => SizeHint::with_exact(self.whole.len() as u64),
        }
    }
}

impl<St, W, O: Observer, X> fmt::Debug for ReplyBody<St, W, O, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyBody")
            .field("write", &format_args!("{}", type_name::<W>()))
            .field("sent", &self.sent)
            .field("over", &self.stream.is_none())
            .finish_non_exhaustive()
    }
}

// ===== impl Rest =====

/// The fault that ends the stream is in the buffer.
struct Written;

impl<O, X> Rest<O, X>
where
    O: Observer,
    X: Fn(&Failure<'_>) -> http::Response<Bytes>,
{
    /// Tells the watch of a fault, and writes it as the last item.
    #[cold]
    fn fault<W: WriteItems<T>, T>(
        &mut self,
        phase: Phase,
        fault: &dyn Fault,
        write: &W,
        buffer: &mut BytesMut,
    ) -> Written {
        let failure = self.fail(phase, fault);
        self.watch.during(|| write.fault(&failure, fault.retry_after(), buffer));
        Written
    }
}
