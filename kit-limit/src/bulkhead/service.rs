use super::{BulkheadFull, Compartment, Place, future::ResponseFuture};
use crate::concurrency::{Class, OneClass};
use kit_endpoint::{AnyError, AsError, Carries, Criticality, Refuse, Until, UntilReply};
use std::task::{Context, Poll};
use tokio::time::Instant;
use tower_service::Service;

/// Lets so many requests at once through to the inner service; others wait their
/// turn or are refused.
///
/// See the [module's documentation](super); a [`BulkheadLayer`](super::BulkheadLayer)
/// makes it.
#[derive(Debug, Clone)]
pub struct Bulkhead<S, K = OneClass, D = AnyDeadline, R = AsError, U = UntilReply> {
    pub(super) inner: S,
    pub(super) compartment: Compartment,
    pub(super) class: K,
    pub(super) deadline: D,
    pub(super) refuse: R,
    pub(super) until: U,
}

/// Says until when a request is worth waiting with.
pub trait Deadline<Req>: Clone {
    /// Returns the deadline of `request`.
    fn deadline(&self, request: &Req) -> Option<Instant>;
}

/// Asks for no deadline: the longest wait alone bounds a wait.
#[derive(Debug, Clone, Copy, Default)]
pub struct AnyDeadline;

/// The request's own deadline.
#[derive(Debug, Clone, Copy, Default)]
pub struct OfRequest;

// ===== impl Deadline =====

impl<Req> Deadline<Req> for AnyDeadline {
    #[inline]
    fn deadline(&self, _: &Req) -> Option<Instant> {
        None
    }
}

impl<Req: Carries> Deadline<Req> for OfRequest {
    #[inline]
    fn deadline(&self, request: &Req) -> Option<Instant> {
        request.deadline()
    }
}

// ===== impl Bulkhead =====

impl<S, K, D, R, U> Bulkhead<S, K, D, R, U> {
    /// Returns the compartment that this service and its clones share.
    pub const fn compartment(&self) -> &Compartment {
        &self.compartment
    }

    /// Returns the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, K, D, R, U, Req> Service<Req> for Bulkhead<S, K, D, R, U>
where
    S: Service<Req> + Clone,
    K: Class<Req>,
    D: Deadline<Req>,
    R: Refuse<BulkheadFull, S::Response, S::Error>,
    U: Until<S::Response, Place, AnyError>,
{
    type Response = U::Reply;
    type Error = S::Error;
    type Future = ResponseFuture<S, Req, S::Future, R, U>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let class = self.class.class(&request).unwrap_or(Criticality::Critical);
        let deadline = self.deadline.deadline(&request);
        let until = self.until.clone();
        match self.compartment.enter(class, deadline) {
            Ok(entered) => {
                // The clone was not asked whether it is ready: the future asks it, when
                // there is a place.
                let call = (self.inner.clone(), request);
                ResponseFuture::entered(entered, call, self.refuse.clone(), until)
            }
            Err(fact) => ResponseFuture::refused(fact, self.refuse.clone(), until),
        }
    }
}
