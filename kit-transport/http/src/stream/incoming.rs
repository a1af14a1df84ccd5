use super::{ReadError, ReadItems};
use bytes::Bytes;
use futures_core::Stream;
use http_body::Body;
use pin_project_lite::pin_project;
use std::{
    error, fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

pin_project! {
    /// The requests of a call, decoded one by one as they are asked for.
    ///
    /// It ends with its first error. What is not asked for stays with the peer,
    /// by the flow control of HTTP/2 or of TCP. An endpoint need not name this
    /// type: it may be for any `Stream` of `Result`s, and so serve elsewhere too.
    pub struct Incoming<B, R> {
        // None once it is over.
        #[pin]
        body: Option<B>,
        read: Option<R>,
        received: Received,
    }
}

/// How much of a body came, told to who watches the request. None is nobody.
#[derive(Debug, Clone, Default)]
pub(crate) struct Received(Option<Arc<AtomicU64>>);

// ===== impl Incoming =====

impl<B, R> Incoming<B, R> {
    pub(crate) const fn new(body: B, read: R, received: Received) -> Self {
        Self { body: Some(body), read: Some(read), received }
    }
}

impl<B, R> Stream for Incoming<B, R>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn error::Error + Send + Sync>>>,
    R: ReadItems,
{
    type Item = Result<R::Item, ReadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        let Some(read) = this.read else { return Poll::Ready(None) };
        let item = loop {
            if let Some(item) = read.next_item() {
                break Some(item);
            }
            let Some(body) = this.body.as_mut().as_pin_mut() else { break None };
            match ready!(body.poll_frame(cx)) {
                Some(Ok(frame)) => {
                    // Trailers say nothing of the items.
                    if let Ok(chunk) = frame.into_data() {
                        this.received.add(chunk.len() as u64);
                        read.push(chunk);
                    }
                }
                Some(Err(error)) => break Some(Err(ReadError::BrokeOff(error.into()))),
                None => {
                    this.body.set(None);
                    break read.finish();
                }
            }
        };
        if !matches!(item, Some(Ok(_))) {
            this.body.set(None);
            *this.read = None;
        }
        Poll::Ready(item)
    }
}

impl<B, R> fmt::Debug for Incoming<B, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("over", &self.read.is_none()).finish_non_exhaustive()
    }
}

// ===== impl Received =====

impl Received {
    pub(crate) fn counted() -> Self {
        Self(Some(Arc::default()))
    }

    fn add(&self, bytes: u64) {
        if let Some(count) = &self.0 {
            count.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    pub(crate) fn get(&self) -> Option<u64> {
        self.0.as_ref().map(|count| count.load(Ordering::Relaxed))
    }
}
