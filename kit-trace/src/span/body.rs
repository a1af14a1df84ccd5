use super::{Errors, scope::Scope};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

pin_project! {
    /// The body of a reply, in the span of its call until it is over: at its end, its
    /// trailers, its error or its drop.
    #[derive(Debug)]
    pub struct SpanBody<B, R> {
        #[pin]
        body: B,
        scope: Option<Box<Scope>>,
        errors: R,
    }
}

impl<B, R> SpanBody<B, R> {
    pub(super) const fn new(body: B, scope: Option<Box<Scope>>, errors: R) -> Self {
        Self { body, scope, errors }
    }

    /// Returns the body.
    pub const fn get_ref(&self) -> &B {
        &self.body
    }
}

impl<B: Body, R: Errors<B::Error>> Body for SpanBody<B, R> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let Some(scope) = this.scope else { return this.body.poll_frame(cx) };
        let frame = {
            let _in = scope.enter();
            ready!(this.body.as_mut().poll_frame(cx))
        };
        let over = match &frame {
            Some(Ok(frame)) => frame.is_trailers() || this.body.is_end_stream(),
            Some(Err(_)) | None => true,
        };
        if over
            && let Some(mut scope) = this.scope.take()
            && let Some(ongoing) = scope.ongoing()
        {
            match &frame {
                Some(Ok(frame)) => ongoing.end(frame.trailers_ref()),
                Some(Err(error)) => ongoing.errs(|span| this.errors.record(span, error)),
                None => ongoing.end(None),
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

impl<B: Default, R: Default> Default for SpanBody<B, R> {
    fn default() -> Self {
        Self::new(B::default(), None, R::default())
    }
}
