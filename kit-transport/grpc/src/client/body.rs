use super::{ReceivedMetadata, watching::Traffic};
use bytes::Buf;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

pin_project! {
    /// The body of a reply whose trailers a stranger wrote, counted as it comes.
    #[derive(Debug)]
    pub(super) struct Checked<B> {
        #[pin]
        body: B,
        received: Option<ReceivedMetadata>,
        traffic: Option<Traffic>,
    }
}

// ===== impl Checked =====

impl<B> Checked<B> {
    pub(super) const fn new(
        body: B,
        received: Option<ReceivedMetadata>,
        traffic: Option<Traffic>,
    ) -> Self {
        Self { body, received, traffic }
    }
}

impl<B: Body> Body for Checked<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        let mut frame = ready!(this.body.poll_frame(cx));
        if let Some(traffic) = this.traffic
            && let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            traffic.received(data.remaining());
        }
        if let Some(Ok(frame)) = &mut frame
            && let Some(trailers) = frame.trailers_mut()
        {
            drop_bad_details(trailers);
            if let Some(received) = this.received {
                received.tail(trailers);
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

/// Drops details that are not base64: tonic panics at them, and no peer may
/// make us panic. The code and the message stay.
pub(super) fn drop_bad_details(headers: &mut HeaderMap) {
    if headers.get(DETAILS).is_some_and(|details| !is_base64(details)) {
        headers.remove(DETAILS);
    }
}

/// Says whether `value` is base64 with or without its padding (RFC 4648,
/// section 4), and without stray bits at the end: what tonic's decoder takes.
fn is_base64(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    let data = bytes.iter().position(|byte| *byte == b'=').unwrap_or(bytes.len());
    let (data, padding) = bytes.split_at(data);
    let mask = match data.len() % 4 {
        0 => 0,
        2 => 0b1111,
        3 => 0b11,
        _ => return false,
    };
    let padded = padding.is_empty() || padding.len() == (4 - data.len() % 4) % 4;
    padded
        && padding.iter().all(|byte| *byte == b'=')
        && data.iter().all(|byte| sextet(*byte).is_some())
        && data.last().and_then(|last| sextet(*last)).is_none_or(|last| last & mask == 0)
}

const fn sextet(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}
