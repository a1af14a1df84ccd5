use super::{CallError, Rejection, future::phase};
use crate::stream::{ReadError, ReadItems};
use bytes::Buf;
use futures_core::Stream;
use http_body::Body;
use kit_transport::{Observer, Watch};
use pin_project_lite::pin_project;
use std::{
    error, fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

pin_project! {
    /// The replies of a call, read one by one as they come.
    ///
    /// It ends with its first error: a fault of the server, an item that cannot
    /// be read, or a body that was cut ([`CallError::Body`]), which a stream that
    /// came to its end is not. What is not asked for stays with the server, by the flow
    /// control of HTTP/2 or of TCP. Dropped, it gives the call up, which cancels
    /// the work at the other side.
    pub struct Replies<B, R, O = ()>
    where
        O: Observer,
    {
        // None once it is over: the call is given up at once.
        #[pin]
        body: Option<B>,
        read: Option<R>,
        received: u64,
        watch: Watch<O>,
    }
}

// ===== impl Replies =====

impl<B, R, O: Observer> Replies<B, R, O> {
    pub(super) const fn new(body: B, read: R, watch: Watch<O>) -> Self {
        Self { body: Some(body), read: Some(read), received: 0, watch }
    }
}

impl<B, R, O, I> Stream for Replies<B, R, O>
where
    B: Body<Error: Into<Box<dyn error::Error + Send + Sync>>>,
    R: ReadItems<Item = Result<I, Rejection>>,
    O: Observer,
{
    type Item = Result<I, CallError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        let Some(read) = this.read else { return Poll::Ready(None) };
        let item = loop {
            if let Some(item) = this.watch.during(|| read.next_item()) {
                break Some(item);
            }
            let Some(body) = this.body.as_mut().as_pin_mut() else { break None };
            match ready!(this.watch.during(|| body.poll_frame(cx))) {
                Some(Ok(frame)) => {
                    // Trailers say nothing of the items.
                    if let Ok(mut chunk) = frame.into_data() {
                        let chunk = chunk.copy_to_bytes(chunk.remaining());
                        *this.received += chunk.len() as u64;
                        this.watch.received(*this.received);
                        read.push(chunk);
                    }
                }
                Some(Err(error)) => break Some(Err(ReadError::BrokeOff(error.into()))),
                None => {
                    this.body.set(None);
                    break this.watch.during(|| read.finish());
                }
            }
        };
        let item = item.map(|item| match item {
            Ok(item) => item.map_err(CallError::Rejected),
            Err(ReadError::BrokeOff(source)) => Err(CallError::Body(source)),
            Err(fault) => Err(CallError::Decode(Box::new(fault))),
        });
        if matches!(item, Some(Ok(_))) {
            return Poll::Ready(item);
        }
        this.body.set(None);
        *this.read = None;
        if let Some(Err(error)) = &item {
            this.watch.failed_at(phase(error), error);
        }
        this.watch.finish();
        Poll::Ready(item)
    }
}

impl<B, R, O: Observer> fmt::Debug for Replies<B, R, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replies")
            .field("received", &self.received)
            .field("over", &self.read.is_none())
            .finish_non_exhaustive()
    }
}
