use super::{
    ReplyMetadata,
    slot::{Slot, Told},
};
use crate::{status, whole::Whole};
use bytes::Buf;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use kit_endpoint::Expired;
use kit_transport::{Observer, Phase, Watch, Watched};
use pin_project_lite::pin_project;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::{Status, codegen::StdError};

pin_project! {
    /// The body of a request: a reset is an error of it, and no end. Its bytes
    /// are counted where a hook listens.
    #[derive(Debug)]
    pub struct RequestBody<B> {
        #[pin]
        body: Whole<B>,
        slot: Option<Slot>,
    }
}

pin_project! {
    /// The body of a reply: it ends the call when it ends, and once the
    /// deadline has passed it ends with the trailers of `DEADLINE_EXCEEDED`.
    pub struct ResponseBody<B, O>
    where
        O: Observer,
    {
        #[pin]
        watched: Watched<Bounded<B>, Told<O>>,
    }
}

pin_project! {
    /// A body that the deadline ends. Without one inside it is empty.
    #[derive(Debug)]
    struct Bounded<B> {
        #[pin]
        body: Option<B>,
        deadline: Option<Instant>,
        metadata: Option<ReplyMetadata>,
        slot: Option<Slot>,
        begun: bool,
        // Made only once the body lets us wait: a reply of one message is
        // ready at once and must not pay for a timer. Boxed, so that the body
        // stays small, and movable where the inner one is.
        sleep: Option<Pin<Box<Sleep>>>,
    }
}

// ===== impl RequestBody =====

impl<B> RequestBody<B> {
    pub(super) const fn new(body: B, slot: Option<Slot>) -> Self {
        Self { body: Whole::new(body), slot }
    }
}

impl<B: Body<Error: Into<StdError>>> Body for RequestBody<B> {
    type Data = B::Data;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        let frame = ready!(this.body.poll_frame(cx));
        if let Some(slot) = this.slot {
            match &frame {
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        slot.received(data.remaining() as u64);
                    }
                }
                Some(Err(_)) => slot.broke_off(),
                None => {}
            }
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

// ===== impl ResponseBody =====

impl<B: Body, O: Observer> ResponseBody<B, O> {
    pub(super) fn new(
        body: Option<B>,
        deadline: Option<Instant>,
        metadata: Option<ReplyMetadata>,
        slot: Option<Slot>,
        watch: Watch<Told<O>>,
    ) -> Self {
        let body = Bounded { body, deadline, metadata, slot, begun: false, sleep: None };
        Self { watched: Watched::new(body, watch) }
    }
}

impl<B, O> Body for ResponseBody<B, O>
where
    B: Body<Error: fmt::Display>,
    O: Observer,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.project().watched.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.watched.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.watched.size_hint()
    }
}

impl<B: fmt::Debug, O: Observer> fmt::Debug for ResponseBody<B, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").field("watched", &self.watched).finish()
    }
}

// ===== impl Bounded =====

impl<B: Body> Body for Bounded<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let Some(body) = this.body.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let mut frame = body.poll_frame(cx);
        if let Some(metadata) = this.metadata
            && let Poll::Ready(Some(Ok(frame))) = &mut frame
            && let Some(trailers) = frame.trailers_mut()
        {
            metadata.write_trailing(trailers);
        }
        let Some(deadline) = *this.deadline else { return frame };
        let late = match &frame {
            // The first message is never dropped for the timer, and an end
            // that is there is the true one. A stream that never waits must
            // not outlive its deadline, though.
            Poll::Ready(Some(Ok(frame))) if frame.is_data() => {
                std::mem::replace(this.begun, true) && Instant::now() >= deadline
            }
            Poll::Ready(_) => false,
            Poll::Pending => {
                let sleep = this.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
                sleep.as_mut().poll(cx).is_ready()
            }
        };
        if !late {
            return frame;
        }
        // The handler's stream is dropped now, not when the peer is done.
        this.body.set(None);
        let expired = Expired::new(true);
        let mut trailers = HeaderMap::new();
        // It fails only for what is no header value, and this is our own text.
        let _ = status(&expired).add_header(&mut trailers);
        if let Some(slot) = this.slot {
            slot.report(Phase::Endpoint, expired);
        }
        if let Some(metadata) = this.metadata {
            metadata.write_trailing(&mut trailers);
        }
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            // The deadline may cut it.
            Some(body) if self.deadline.is_none() => body.size_hint(),
            Some(_) => SizeHint::default(),
            None => SizeHint::with_exact(0),
        }
    }
}
