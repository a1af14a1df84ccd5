use super::ReadError;
use kit_endpoint::Fault;
use pin_project_lite::pin_project;
use std::{
    any::type_name,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio_stream::Stream;
use tonic::Streaming;

pin_project! {
    /// The requests of a call, decoded one by one as they are asked for.
    ///
    /// It ends with its first error. Messages that are not asked for stay with
    /// the peer, by the flow control of HTTP/2. An endpoint need not name this
    /// type: it may be for any `Stream` of `Result`s, and so serve elsewhere
    /// too.
    pub struct Incoming<M, D> {
        messages: Option<Streaming<M>>,
        decode: D,
    }
}

// ===== impl Incoming =====

impl<M, D> Incoming<M, D> {
    pub(super) const fn new(messages: Streaming<M>, decode: D) -> Self {
        Self { messages: Some(messages), decode }
    }
}

impl<M, D, Req, DE> Stream for Incoming<M, D>
where
    D: Fn(M) -> Result<Req, DE>,
    DE: Fault,
{
    type Item = Result<Req, ReadError>;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        let Some(messages) = this.messages else { return Poll::Ready(None) };
        let end = match ready!(Pin::new(messages).poll_next(cx)) {
            Some(Ok(message)) => match (this.decode)(message) {
                Ok(request) => return Poll::Ready(Some(Ok(request))),
                Err(fault) => Some(Err(ReadError::Decode(Box::new(fault)))),
            },
            Some(Err(status)) => Some(Err(ReadError::Read(status))),
            None => None,
        };
        *this.messages = None;
        Poll::Ready(end)
    }
}

impl<M, D> fmt::Debug for Incoming<M, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("decode", &format_args!("{}", type_name::<D>()))
            .field("over", &self.messages.is_none())
            .finish_non_exhaustive()
    }
}
