use super::Encoder;
use crate::{
    EncodeError,
    edge::{Slot, answer},
};
use kit_endpoint::Fault;
use kit_transport::Phase;
use pin_project_lite::pin_project;
use std::{
    any::type_name,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio_stream::Stream;
use tonic::Status;

pin_project! {
    /// The replies of a call, encoded one by one.
    ///
    /// A fault ends it: tonic sends its status as the trailers. Dropped, it
    /// drops the endpoint's stream.
    pub struct Replies<St, N, X> {
        // None once it is over: what the endpoint holds is let go at once.
        #[pin]
        stream: Option<St>,
        encode: N,
        encode_error: X,
        slot: Option<Slot>,
    }
}

// ===== impl Replies =====

impl<St, N, X> Replies<St, N, X> {
    pub(super) const fn new(stream: St, encode: N, encode_error: X, slot: Option<Slot>) -> Self {
        Self { stream: Some(stream), encode, encode_error, slot }
    }
}

impl<St, N, X, T, E, R, NE> Stream for Replies<St, Encoder<N, R>, X>
where
    St: Stream<Item = Result<T, E>>,
    E: Fault,
    N: Fn(T) -> Result<R, NE>,
    NE: Fault,
    X: EncodeError,
{
    type Item = Result<R, Status>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        let Some(stream) = this.stream.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let (slot, encode_error) = (this.slot.as_ref(), &*this.encode_error);
        let message = match ready!(stream.poll_next(cx)) {
            Some(Ok(item)) => this.encode.encode(item, slot, encode_error),
            Some(Err(fault)) => Err(answer(Phase::Endpoint, fault, slot, encode_error)),
            None => {
                this.stream.set(None);
                return Poll::Ready(None);
            }
        };
        if message.is_err() {
            this.stream.set(None);
        }
        Poll::Ready(Some(message))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // A fault may end it at once.
        (0, self.stream.as_ref().map_or(Some(0), |stream| stream.size_hint().1))
    }
}

impl<St, N, X> fmt::Debug for Replies<St, N, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replies")
            .field("encode", &format_args!("{}", type_name::<N>()))
            .field("over", &self.stream.is_none())
            .finish_non_exhaustive()
    }
}
