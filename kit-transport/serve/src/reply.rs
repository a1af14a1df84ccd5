//! The body of a reply, watched until its end.

use crate::{conn::Call, wire::Protocol};
use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::{
    io::IoSlice,
    pin::Pin,
    task::{Context, Poll, ready},
};

pin_project! {
    /// What hyper sends: the service's, or what turns a peer away.
    ///
    /// The call ends with the last frame; also when the body says by itself
    /// that it is at its end, since hyper does not ask again then.
    #[project = ReplyProj]
    pub(crate) enum Reply<B: Body> {
        Served {
            #[pin]
            body: B,
            // What is left of a frame that goes in parts.
            rest: Option<Box<B::Data>>,
            call: Option<Call>,
        },
        Refused { text: Option<Bytes> },
    }
}

/// A part of a body.
#[derive(Debug)]
pub(crate) enum Chunk<D> {
    Whole(D),
    Part(Bytes),
}

/// How much hyper gets at once over HTTP/2. It takes as much as it is given, be
/// the peer's window closed: then a reply would be over for us, and lie there.
const PART: usize = 32 * 1024;

// ===== impl Reply =====

impl<B: Body> Reply<B> {
    pub(crate) const fn new(body: B, call: Option<Call>) -> Self {
        Self::Served { body, rest: None, call }
    }
}

fn is_large<D: Buf>(frame: &Frame<D>) -> bool {
    frame.data_ref().is_some_and(|data| data.remaining() > PART)
}

fn is_http2(call: Option<&Call>) -> bool {
    call.is_some_and(|call| call.conn().protocol() == Protocol::Http2)
}

/// Passes the turn to the peer, or ends the call.
fn pass(call: &mut Option<Call>, is_over: bool) {
    if is_over {
        drop(call.take());
    } else if let Some(call) = call {
        call.theirs();
    }
}

impl<B: Body> Body for Reply<B> {
    type Data = Chunk<B::Data>;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let (mut body, rest, call) = match self.project() {
            ReplyProj::Served { body, rest, call } => (body, rest, call),
            ReplyProj::Refused { text } => {
                return Poll::Ready(text.take().map(|text| Ok(Frame::data(Chunk::Part(text)))));
            }
        };
        if let Some(call) = call {
            call.ours();
        }
        if rest.is_none() {
            let frame = ready!(body.as_mut().poll_frame(cx));
            let is_over = match &frame {
                Some(Ok(frame)) => frame.is_trailers() || body.is_end_stream(),
                Some(Err(_)) | None => true,
            };
            match frame {
                Some(Ok(frame)) if is_large(&frame) && is_http2(call.as_ref()) => {
                    // Boxed, for it is rare: each reply is moved about by its size.
                    *rest = frame.into_data().ok().map(Box::new);
                }
                frame => {
                    pass(call, is_over);
                    let frame = frame.map(|frame| frame.map(|frame| frame.map_data(Chunk::Whole)));
                    return Poll::Ready(frame);
                }
            }
        }
        let Some(data) = rest else { return Poll::Ready(None) };
        let part = data.copy_to_bytes(data.remaining().min(PART));
        if !data.has_remaining() {
            *rest = None;
        }
        pass(call, rest.is_none() && body.is_end_stream());
        Poll::Ready(Some(Ok(Frame::data(Chunk::Part(part)))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Served { body, rest, .. } => rest.is_none() && body.is_end_stream(),
            Self::Refused { text } => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Served { body, .. } => body.size_hint(),
            Self::Refused { text } => {
                SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64))
            }
        }
    }
}

// ===== impl Chunk =====

impl<D: Buf> Buf for Chunk<D> {
    fn remaining(&self) -> usize {
        match self {
            Self::Whole(data) => data.remaining(),
            Self::Part(text) => text.remaining(),
        }
    }

    fn chunk(&self) -> &[u8] {
        match self {
            Self::Whole(data) => data.chunk(),
            Self::Part(text) => text.chunk(),
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        match self {
            Self::Whole(data) => data.chunks_vectored(slices),
            Self::Part(text) => text.chunks_vectored(slices),
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            Self::Whole(data) => data.advance(count),
            Self::Part(text) => text.advance(count),
        }
    }

    fn copy_to_bytes(&mut self, length: usize) -> Bytes {
        match self {
            Self::Whole(data) => data.copy_to_bytes(length),
            Self::Part(text) => text.copy_to_bytes(length),
        }
    }
}
