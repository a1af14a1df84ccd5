//! The user's service, as hyper calls it.

use crate::conn::{Call, Conn};
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::service::TowerToHyperService;
use kit_endpoint::Guarded;
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// Counts calls from their heads to the ends of their replies' bodies, and
/// tells each who sent it.
#[derive(Debug)]
pub(crate) struct Counted<S> {
    inner: TowerToHyperService<S>,
    conn: Arc<Conn>,
}

pin_project! {
    pub(crate) struct CountedFuture<F> {
        #[pin]
        reply: F,
        call: Option<Call>,
    }
}

// ===== impl Counted =====

impl<S> Counted<S> {
    pub(crate) fn new(service: S, conn: Arc<Conn>) -> Self {
        Self { inner: TowerToHyperService::new(service), conn }
    }
}

impl<S, B> hyper::service::Service<Request<Incoming>> for Counted<S>
where
    S: tower_service::Service<Request<Incoming>, Response = Response<B>> + Clone,
    B: Body,
{
    type Response = Response<Guarded<B, Call>>;
    type Error = S::Error;
    type Future = CountedFuture<
        <TowerToHyperService<S> as hyper::service::Service<Request<Incoming>>>::Future,
    >;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let call = self.conn.begin(&request);
        request.extensions_mut().insert(self.conn.peer);
        CountedFuture { reply: self.inner.call(request), call: Some(call) }
    }
}

// ===== impl CountedFuture =====

impl<F, B, E> Future for CountedFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<Guarded<B, Call>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let reply = ready!(this.reply.poll(cx))?;
        let call = this.call.take();
        Poll::Ready(Ok(reply.map(|body| match call {
            Some(call) => Guarded::new(body, call),
            None => Guarded::unguarded(body),
        })))
    }
}
