use kit_endpoint::Request;
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};
use tower_service::Service;

/// A message, and the format in which its reply is wanted.
#[derive(Debug, Clone)]
pub struct Asked<T> {
    pub(super) message: T,
    /// The place among the server's media types.
    pub(super) choice: usize,
}

/// A reply, and the format in which it is wanted.
#[derive(Debug, Clone)]
pub struct Answer<R> {
    pub(super) reply: R,
    pub(super) choice: usize,
}

/// Carries the format that was asked for past an endpoint, which knows nothing
/// of it: see [`server`](super::server).
#[derive(Debug, Clone)]
pub struct Negotiated<E> {
    inner: E,
}

pin_project! {
    /// The future of [`Negotiated`].
    #[derive(Debug)]
    pub struct AnswerFuture<F> {
        #[pin]
        reply: F,
        choice: usize,
    }
}

// ===== impl Negotiated =====

impl<E> Negotiated<E> {
    pub(super) const fn new(inner: E) -> Self {
        Self { inner }
    }
}

impl<E, T> Service<Request<Asked<T>>> for Negotiated<E>
where
    E: Service<Request<T>>,
{
    type Response = Answer<E::Response>;
    type Error = E::Error;
    type Future = AnswerFuture<E::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Asked<T>>) -> Self::Future {
        let choice = request.message().choice;
        let request = request.map(|asked| asked.message);
        AnswerFuture { reply: self.inner.call(request), choice }
    }
}

// ===== impl AnswerFuture =====

impl<F, R, E> Future for AnswerFuture<F>
where
    F: Future<Output = Result<R, E>>,
{
    type Output = Result<Answer<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let reply = ready!(this.reply.poll(cx))?;
        Poll::Ready(Ok(Answer { reply, choice: *this.choice }))
    }
}
