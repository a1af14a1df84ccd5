use super::{
    About, Facts, Lasts,
    future::ResponseFuture,
    line::{Line, Named},
};
use kit_endpoint::KindOf;
use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};
use tower_service::Service;

/// Logs each call of a service once.
///
/// See the [module](super) for what it does; a [`LogLayer`](super::LogLayer) makes it.
#[derive(Debug, Clone)]
pub struct Log<S, C, U, A> {
    pub(super) inner: S,
    pub(super) named: Arc<Named>,
    pub(super) classify: C,
    pub(super) until: U,
    pub(super) about: A,
}

// ===== impl Log =====

impl<S, C, U, A> Log<S, C, U, A> {
    /// Returns the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, C, U, A, Req> Service<Req> for Log<S, C, U, A>
where
    S: Service<Req>,
    C: KindOf<S::Response, S::Error>,
    U: Lasts<S::Response, C>,
    A: About<Req>,
{
    type Response = U::Reply;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, C, U>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let ready = ready!(self.inner.poll_ready(cx));
        if let Err(error) = &ready {
            let line = Line::begin(&self.named, Facts::default);
            let (kind, refused) =
                (self.classify.kind_of(Err(error)), self.classify.is_refused(Err(error)));
            line.end(kind, refused, self.classify.fault(Err(error)));
        }
        Poll::Ready(ready)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        // Before the inner call, whose synchronous part takes its time too.
        let line = Line::begin(&self.named, || self.about.about(&request));
        let reply = self.inner.call(request);
        ResponseFuture::new(reply, line, self.classify.clone(), self.until.clone())
    }
}
