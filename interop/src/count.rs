use crate::Tally;
use http::HeaderMap;
use kit_endpoint::{Carries, Fault, Guard, Guarded};
use kit_transport::Outcome;
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

/// Tells a [`Tally`] of each call of a method, and how it ended.
#[derive(Debug, Clone)]
pub struct CountLayer<K = Unary> {
    tally: Tally,
    method: &'static str,
    kind: K,
}

/// Tells a [`Tally`] of each call; a [`CountLayer`] makes it.
#[derive(Debug, Clone)]
pub struct Count<S, K = Unary> {
    inner: S,
    layer: CountLayer<K>,
}

/// A call is over when its reply is there.
#[derive(Debug, Clone, Copy)]
pub struct Unary;

/// A call is over when the stream that it replied with is.
#[derive(Debug, Clone, Copy)]
pub struct Streaming;

/// What becomes of a reply.
pub trait Until<T>: Copy {
    /// The reply, and what watches it.
    type Reply;

    /// Lets `counted` see the end of the call.
    fn reply(self, reply: T, counted: Counted) -> Self::Reply;
}

/// A call that has begun. Dropped, it was cancelled.
#[derive(Debug)]
pub struct Counted(Option<Tally>);

pin_project! {
    /// The future of a [`Count`].
    #[derive(Debug)]
    pub struct ResponseFuture<F, K> {
        #[pin]
        reply: F,
        counted: Option<Counted>,
        kind: K,
    }
}

// ===== impl CountLayer =====

impl CountLayer {
    /// Counts the calls of `method` that reply once.
    #[must_use]
    pub const fn new(tally: Tally, method: &'static str) -> Self {
        Self { tally, method, kind: Unary }
    }

    /// Counts the calls of a method that replies with a stream.
    #[must_use]
    pub fn streaming(self) -> CountLayer<Streaming> {
        CountLayer { tally: self.tally, method: self.method, kind: Streaming }
    }
}

impl<S, K: Clone> Layer<S> for CountLayer<K> {
    type Service = Count<S, K>;

    fn layer(&self, inner: S) -> Self::Service {
        Count { inner, layer: self.clone() }
    }
}

// ===== impl Count =====

impl<S, K, Req> Service<Req> for Count<S, K>
where
    S: Service<Req, Error: Fault>,
    K: Until<S::Response>,
    Req: Carries,
{
    type Response = K::Reply;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, K>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let CountLayer { tally, method, kind } = &self.layer;
        let left = request.deadline().map(|deadline| deadline - Instant::now());
        tally.note(|counts| counts.begun.push((method, left)));
        let counted = Some(Counted(Some(tally.clone())));
        ResponseFuture { reply: self.inner.call(request), counted, kind: *kind }
    }
}

// ===== impl ResponseFuture =====

impl<F, K, T, E> Future for ResponseFuture<F, K>
where
    F: Future<Output = Result<T, E>>,
    K: Until<T>,
    E: Fault,
{
    type Output = Result<K::Reply, E>;

    #[expect(clippy::expect_used, reason = "polling a finished future may panic")]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = ready!(this.reply.poll(cx));
        let counted = this.counted.take().expect("polled after the reply");
        Poll::Ready(match result {
            Ok(reply) => Ok(this.kind.reply(reply, counted)),
            Err(fault) => {
                counted.end(Err(&fault));
                Err(fault)
            }
        })
    }
}

// ===== impl Until =====

impl<T> Until<T> for Unary {
    type Reply = T;

    fn reply(self, reply: T, mut counted: Counted) -> T {
        counted.tell(Outcome::Replied);
        reply
    }
}

impl<T> Until<T> for Streaming {
    type Reply = Guarded<T, Counted>;

    fn reply(self, reply: T, counted: Counted) -> Self::Reply {
        Guarded::new(reply, counted)
    }
}

// ===== impl Counted =====

impl Counted {
    fn tell(&mut self, outcome: Outcome) {
        if let Some(tally) = self.0.take() {
            tally.note(|counts| counts.calls.push(outcome));
        }
    }
}

impl<E: Fault> Guard<E> for Counted {
    fn end(mut self, end: Result<Option<&HeaderMap>, &E>) {
        self.tell(match end {
            Ok(_) => Outcome::Replied,
            Err(fault) => Outcome::Failed(fault.kind()),
        });
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.tell(Outcome::Cancelled);
    }
}
