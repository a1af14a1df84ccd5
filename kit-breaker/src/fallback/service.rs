use super::{Uses, future::FallbackFuture};
use kit_endpoint::{Classify, ServerFaults};
use std::task::{Context, Poll};
use tower_service::Service;

/// Answers something else when the inner service fails.
///
/// See the [module's documentation](super); a [`FallbackLayer`](super::FallbackLayer)
/// makes it.
#[derive(Debug, Clone)]
pub struct Fallback<S, A, C = ServerFaults> {
    pub(super) inner: S,
    pub(super) answer: A,
    pub(super) classify: C,
    pub(super) uses: Uses,
}

/// Makes the answer to a failure, of the request before it leaves.
pub trait Prepare<Req>: Clone {
    /// What waits for the failure.
    type Answer;

    /// Takes what is needed from a request.
    fn prepare(&self, request: &Req) -> Self::Answer;
}

/// Answers in a service's stead. It is implemented for async functions of the
/// failed result.
pub trait Answer<T, E> {
    /// The answer to come.
    type Future: Future<Output = Result<T, E>>;

    /// Answers in place of `failed`.
    fn answer(self, failed: Result<T, E>) -> Self::Future;
}

/// Answers whatever the request was: [`FallbackLayer::new`](super::FallbackLayer::new).
#[derive(Debug, Clone)]
pub struct Always<F>(pub(super) F);

/// Answers with a part of the request: [`FallbackLayer::keeping`](super::FallbackLayer::keeping).
#[derive(Debug, Clone)]
pub struct Keeping<K, F> {
    pub(super) keep: K,
    pub(super) answer: F,
}

/// An answer, and what it has of the request.
#[derive(Debug)]
pub struct Kept<K, F> {
    kept: K,
    answer: F,
}

// ===== impl Prepare =====

impl<F: Clone, Req> Prepare<Req> for Always<F> {
    type Answer = F;

    fn prepare(&self, _: &Req) -> F {
        self.0.clone()
    }
}

impl<K, F, Req, V> Prepare<Req> for Keeping<K, F>
where
    K: Fn(&Req) -> V + Clone,
    F: Clone,
{
    type Answer = Kept<V, F>;

    fn prepare(&self, request: &Req) -> Self::Answer {
        Kept { kept: (self.keep)(request), answer: self.answer.clone() }
    }
}

// ===== impl Answer =====

impl<F, Fut, T, E> Answer<T, E> for F
where
    F: FnOnce(Result<T, E>) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Future = Fut;

    fn answer(self, failed: Result<T, E>) -> Fut {
        self(failed)
    }
}

impl<K, F, Fut, T, E> Answer<T, E> for Kept<K, F>
where
    F: FnOnce(K, Result<T, E>) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Future = Fut;

    fn answer(self, failed: Result<T, E>) -> Fut {
        (self.answer)(self.kept, failed)
    }
}

// ===== impl Fallback =====

impl<S, A, C> Fallback<S, A, C> {
    /// Returns how often it was used.
    pub const fn uses(&self) -> &Uses {
        &self.uses
    }

    /// Returns the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, A, C, Req> Service<Req> for Fallback<S, A, C>
where
    S: Service<Req>,
    A: Prepare<Req>,
    A::Answer: Answer<S::Response, S::Error>,
    C: Classify<S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = FallbackFuture<
        S::Future,
        <A::Answer as Answer<S::Response, S::Error>>::Future,
        A::Answer,
        C,
    >;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let answer = self.answer.prepare(&request);
        let (classify, uses) = (self.classify.clone(), self.uses.clone());
        FallbackFuture::new(self.inner.call(request), answer, classify, uses)
    }
}
