use bytes::{Buf, BufMut, Bytes, BytesMut};
use http_body::Body;
use kit_transport::{Observer, Watch};
use std::{
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tower::BoxError;

/// A body as far as it was read. A single chunk, the usual case, is not copied.
#[derive(Default)]
pub(crate) struct Gathered {
    first: Bytes,
    all: BytesMut,
}

/// Why a body was not read whole.
pub(crate) enum Ungathered {
    /// It is larger than the limit.
    TooLarge,
    /// It ended in an error.
    Broken(BoxError),
}

/// The most that is reserved because the other side says that so much comes.
const MOST_AT_ONCE: usize = 1 << 20;

// ===== impl Gathered =====

impl Gathered {
    /// Reads all of `body`, if it has at most `limit` bytes, and counts them.
    pub(crate) fn poll_whole<B, O>(
        &mut self,
        mut body: Pin<&mut B>,
        cx: &mut Context<'_>,
        limit: usize,
        watch: &mut Watch<O>,
    ) -> Poll<Result<Bytes, Ungathered>>
    where
        B: Body<Error: Into<BoxError>>,
        O: Observer,
    {
        loop {
            let size = self.len();
            let more = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
            if size > limit || more > limit - size {
                return Poll::Ready(Err(Ungathered::TooLarge));
            }
            match ready!(watch.during(|| body.as_mut().poll_frame(cx))) {
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    watch.received((size + data.remaining()) as u64);
                    self.push(data, more);
                }
                Some(Err(error)) => return Poll::Ready(Err(Ungathered::Broken(error.into()))),
                None => return Poll::Ready(Ok(mem::take(self).into_bytes())),
            }
        }
    }

    fn len(&self) -> usize {
        self.first.len() + self.all.len()
    }

    /// Adds a chunk. Together with those that follow it has `more` bytes, as
    /// far as is known.
    fn push(&mut self, mut data: impl Buf, more: usize) {
        if self.len() == 0 {
            self.first = data.copy_to_bytes(data.remaining());
            return;
        }
        if self.all.is_empty() {
            let more = more.min(MOST_AT_ONCE).max(data.remaining());
            self.all.reserve(self.first.len() + more);
            self.all.put(mem::take(&mut self.first));
        }
        self.all.put(data);
    }

    fn into_bytes(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}
