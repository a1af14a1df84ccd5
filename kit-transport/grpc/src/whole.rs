use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tonic::{Code, Status, codegen::StdError};

pin_project! {
    /// The body of a request, of which a reset is an error: tonic takes one for
    /// the end, and half a stream for the whole.
    #[derive(Debug)]
    pub(crate) struct Whole<B> {
        #[pin]
        body: B,
    }
}

// ===== impl Whole =====

impl<B> Whole<B> {
    pub(crate) const fn new(body: B) -> Self {
        Self { body }
    }
}

impl<B: Body<Error: Into<StdError>>> Body for Whole<B> {
    type Data = B::Data;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = ready!(self.project().body.poll_frame(cx));
        Poll::Ready(frame.map(|frame| frame.map_err(|error| broke_off(error.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Any code will do but the one that tonic takes for the end: nobody is there
/// to be told.
fn broke_off(error: StdError) -> Status {
    let status = Status::from_error(error);
    if status.code() != Code::Cancelled {
        return status;
    }
    let mut broke_off = Status::unknown("the peer gave up");
    broke_off.set_source(Arc::new(status));
    broke_off
}
