use super::CallError;
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame, SizeHint};
use kit_transport::{Observer, Watch};
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

/// What watches a call until the caller has all of its reply, or lets it go.
#[derive(Debug)]
pub(super) struct Watching<O: Observer> {
    watch: Watch<O>,
    traffic: Option<Traffic>,
}

/// What the two bodies of a call tell its end. It is there only where a hook
/// listens.
#[derive(Debug, Clone, Default)]
pub(super) struct Traffic(Arc<Bytes>);

#[derive(Debug, Default)]
struct Bytes {
    sent: AtomicU64,
    received: AtomicU64,
}

pin_project! {
    /// The body of a request, counted as the connection takes it.
    #[derive(Debug)]
    pub(super) struct Counted<B> {
        #[pin]
        body: B,
        traffic: Option<Traffic>,
    }
}

// ===== impl Watching =====

impl<O: Observer> Watching<O> {
    pub(super) fn new(observer: O) -> Self {
        let traffic = if O::SILENT { None } else { Some(Traffic::default()) };
        Self { watch: Watch::new(observer), traffic }
    }

    pub(super) fn traffic(&self) -> Option<Traffic> {
        self.traffic.clone()
    }

    /// Shows the head of the reply.
    pub(super) fn after(&mut self, status: StatusCode, headers: &mut HeaderMap) {
        self.watch.after(status, headers);
    }

    /// Runs a step of the call. If it panics the call has ended at once: who catches that
    /// further out drops us later, as a caller that left does.
    #[inline]
    pub(super) fn during<T>(&mut self, step: impl FnOnce() -> T) -> T {
        self.watch.during(step)
    }

    /// Ends the call with what the caller is told.
    pub(super) fn end(&mut self, error: Option<&CallError>) {
        self.count();
        if let Some(error) = error {
            self.watch.failed_at(error.phase(), error);
        }
        self.watch.finish();
    }

    fn count(&mut self) {
        if let Some(Traffic(bytes)) = &self.traffic {
            self.watch.sent(bytes.sent.load(Ordering::Relaxed));
            self.watch.received(bytes.received.load(Ordering::Relaxed));
        }
    }
}

impl<O: Observer> Drop for Watching<O> {
    fn drop(&mut self) {
        // The watch says the rest: taken back, or a panic.
        self.count();
    }
}

// ===== impl Traffic =====

impl Traffic {
    pub(super) fn received(&self, bytes: usize) {
        self.0.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn sent(&self, bytes: usize) {
        self.0.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

// ===== impl Counted =====

impl<B> Counted<B> {
    pub(super) const fn new(body: B, traffic: Option<Traffic>) -> Self {
        Self { body, traffic }
    }
}

impl<B: Body> Body for Counted<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        let frame = ready!(this.body.poll_frame(cx));
        if let Some(traffic) = this.traffic
            && let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            traffic.sent(bytes::Buf::remaining(data));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
