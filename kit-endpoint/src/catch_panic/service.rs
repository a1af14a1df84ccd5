use super::{Catch, Panicked, future::ResponseFuture};
use crate::{AsError, Refuse, UntilReply};
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
pub struct CatchPanic<S, R = AsError, U = UntilReply> {
    pub(super) inner: S,
    pub(super) refuse: R,
    pub(super) until: U,
    /// A panic in `poll_ready`, answered in `call`, never cloned.
    pub(super) panicked: Option<Panicked>,
}

// ===== impl CatchPanic =====

impl<S, R, U> CatchPanic<S, R, U> {
    /// Returns the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, R, U, Req> Service<Req> for CatchPanic<S, R, U>
where
    S: Service<Req>,
    U: Catch<S::Response, R>,
    R: Refuse<Panicked, S::Response, S::Error>,
{
    type Response = U::Reply;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R, U>;

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
        let (refuse, until) = (self.refuse.clone(), self.until.clone());
        if let Some(panicked) = self.panicked.take() {
            return ResponseFuture::panicked(panicked, refuse, until);
        }
        match catch_unwind(AssertUnwindSafe(|| self.inner.call(request))) {
            Ok(reply) => ResponseFuture::called(reply, refuse, until),
            Err(payload) => ResponseFuture::panicked(Panicked::new(payload), refuse, until),
        }
    }
}

impl<S: Clone, R: Clone, U: Clone> Clone for CatchPanic<S, R, U> {
    fn clone(&self) -> Self {
        let (inner, refuse, until) = (self.inner.clone(), self.refuse.clone(), self.until.clone());
        Self { inner, refuse, until, panicked: None }
    }
}
