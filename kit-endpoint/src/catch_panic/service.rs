use super::{Panicked, future::ResponseFuture};
use crate::{AsError, Refuse};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Poll},
};
use tower_service::Service;

/// Turns panics of the inner service into the fact [`Panicked`].
///
/// See the [module](super) for what it does; a
/// [`CatchPanicLayer`](super::CatchPanicLayer) makes it.
#[derive(Debug)]
pub struct CatchPanic<S, R = AsError> {
    pub(super) inner: S,
    pub(super) refuse: R,
    /// A panic in `poll_ready`, answered in `call`, never cloned.
    pub(super) panicked: Option<Panicked>,
}

// ===== impl CatchPanic =====

impl<S, R> CatchPanic<S, R> {
    /// Returns the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, R, Req> Service<Req> for CatchPanic<S, R>
where
    S: Service<Req>,
    R: Refuse<Panicked, S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // The panic is to be answered first: readiness of the inner service
        // would be taken and not used.
        if self.panicked.is_some() {
            return Poll::Ready(Ok(()));
        }
        match catch_unwind(AssertUnwindSafe(|| self.inner.poll_ready(cx))) {
            Ok(poll) => poll,
            Err(payload) => {
                self.panicked = Some(Panicked::new(payload));
                Poll::Ready(Ok(()))
            }
        }
    }

    fn call(&mut self, request: Req) -> Self::Future {
        if let Some(panicked) = self.panicked.take() {
            return ResponseFuture::panicked(panicked, self.refuse.clone());
        }
        match catch_unwind(AssertUnwindSafe(|| self.inner.call(request))) {
            Ok(reply) => ResponseFuture::called(reply, self.refuse.clone()),
            Err(payload) => ResponseFuture::panicked(Panicked::new(payload), self.refuse.clone()),
        }
    }
}

impl<S: Clone, R: Clone> Clone for CatchPanic<S, R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), refuse: self.refuse.clone(), panicked: None }
    }
}
