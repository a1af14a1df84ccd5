use super::{Lasts, calls::Measures, future::ResponseFuture};
use crate::{KindOf, Traces, Untraced};
use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};
use tower_service::Service;

/// Measures the calls of a service.
///
/// See the [module](super) for what it does; a [`RedLayer`](super::RedLayer)
/// makes it.
#[derive(Debug, Clone)]
pub struct Red<S, C, U, X = Untraced> {
    pub(super) inner: S,
    pub(super) calls: Arc<Measures>,
    pub(super) classify: C,
    pub(super) until: U,
    pub(super) traces: X,
}

// ===== impl Red =====

impl<S, C, U, X> Red<S, C, U, X> {
    /// Returns the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, C, U, X, Req> Service<Req> for Red<S, C, U, X>
where
    S: Service<Req>,
    C: KindOf<S::Response, S::Error>,
    U: Lasts<S::Response, C>,
    X: Traces<Req>,
{
    type Response = U::Reply;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, C, U>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let ready = ready!(self.inner.poll_ready(cx));
        if let Err(error) = &ready {
            self.calls.refused(self.classify.kind_of(Err(error)));
        }
        Poll::Ready(ready)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        // Before the inner call, whose synchronous part takes its time too.
        let call = self.calls.begin(self.traces.trace(&request));
        let reply = self.inner.call(request);
        ResponseFuture::new(reply, call, self.classify.clone(), self.until.clone())
    }
}
