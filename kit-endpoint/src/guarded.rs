use futures_core::Stream;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

/// What watches a stream, or a body, until it is over.
///
/// It is told the end once. A guard that is dropped untold learns by its own
/// `Drop` that nobody waited for the end.
pub trait Guard<E> {
    /// Hears how it ended: well, an HTTP body perhaps with trailers, or in an
    /// error.
    fn end(self, end: Result<Option<&HeaderMap>, &E>);
}

pin_project! {
    /// A stream, or a body, that owns a guard and tells it how it ended.
    ///
    /// Layers that count wrap a reply in it, so that a call lasts until its
    /// last item. A stream ends with `None` or its first error; a body also
    /// with its trailers, and as soon as it says so itself, since hyper does
    /// not ask a body again that is at its end.
    #[derive(Debug)]
    pub struct Guarded<St, G> {
        #[pin]
        stream: St,
        guard: Option<G>,
    }
}

// ===== impl Guarded =====

impl<St, G> Guarded<St, G> {
    /// Lets `guard` watch `stream`.
    pub const fn new(stream: St, guard: G) -> Self {
        Self { stream, guard: Some(guard) }
    }

    /// Passes `stream` on without a guard: where there is nothing to wait for,
    /// and the type must be the same.
    pub const fn unguarded(stream: St) -> Self {
        Self { stream, guard: None }
    }

    /// Returns the stream.
    pub const fn get_ref(&self) -> &St {
        &self.stream
    }

    /// Returns the guard, as long as the end is open.
    pub const fn guard(&self) -> Option<&G> {
        self.guard.as_ref()
    }
}

impl<St, G, T, E> Stream for Guarded<St, G>
where
    St: Stream<Item = Result<T, E>>,
    G: Guard<E>,
{
    type Item = Result<T, E>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        let item = ready!(this.stream.poll_next(cx));
        let end = match &item {
            Some(Ok(_)) => return Poll::Ready(item),
            Some(Err(error)) => Err(error),
            None => Ok(None),
        };
        if let Some(guard) = this.guard.take() {
            guard.end(end);
        }
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stream.size_hint()
    }
}

impl<B, G> Body for Guarded<B, G>
where
    B: Body,
    G: Guard<B::Error>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.stream.as_mut().poll_frame(cx));
        let over = match &frame {
            Some(Ok(frame)) => frame.is_trailers() || this.stream.is_end_stream(),
            Some(Err(_)) | None => true,
        };
        if over && let Some(guard) = this.guard.take() {
            guard.end(match &frame {
                Some(Ok(frame)) => Ok(frame.trailers_ref()),
                Some(Err(error)) => Err(error),
                None => Ok(None),
            });
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.stream.size_hint()
    }
}
