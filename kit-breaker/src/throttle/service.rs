use super::{Pass, Throttle, Throttled};
use crate::future::ThrottledFuture;
use kit_endpoint::{
    AsError, Carries, Classify, Criticality, Refuse, ServerFaults, Until, UntilReply,
};
use std::task::{Context, Poll};
use tower_service::Service;

/// Rejects requests in proportion to what the inner service refuses.
///
/// See the [module's documentation](super); a [`ThrottleLayer`](super::ThrottleLayer)
/// makes it.
#[derive(Debug, Clone)]
pub struct Throttling<S, P = OneClass, C = ServerFaults, R = AsError, U = UntilReply> {
    pub(super) inner: S,
    pub(super) throttle: Throttle,
    pub(super) class: P,
    pub(super) classify: C,
    pub(super) refuse: R,
    pub(super) until: U,
}

/// Says of which class a request is.
pub trait Class<Req> {
    /// Returns the class of `request`.
    fn class(&self, request: &Req) -> Criticality;
}

/// Takes all requests for critical ones.
#[derive(Debug, Clone, Copy, Default)]
pub struct OneClass;

/// Takes the class from the request's extensions.
#[derive(Debug, Clone, Copy, Default)]
pub struct ByCriticality;

// ===== impl Class =====

impl<Req> Class<Req> for OneClass {
    #[inline]
    fn class(&self, _: &Req) -> Criticality {
        Criticality::Critical
    }
}

impl<Req: Carries> Class<Req> for ByCriticality {
    #[inline]
    fn class(&self, request: &Req) -> Criticality {
        request.extensions().get().copied().unwrap_or(Criticality::Critical)
    }
}

// ===== impl Throttling =====

impl<S, P, C, R, U> Throttling<S, P, C, R, U> {
    /// Returns what this service and its clones count.
    pub const fn throttle(&self) -> &Throttle {
        &self.throttle
    }

    /// Returns the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, P, C, R, U, Req> Service<Req> for Throttling<S, P, C, R, U>
where
    S: Service<Req>,
    P: Class<Req>,
    C: Classify<S::Response, S::Error>,
    R: Refuse<Throttled, S::Response, S::Error>,
    U: Until<S::Response, Pass, C>,
{
    type Response = U::Reply;
    type Error = S::Error;
    type Future = ThrottledFuture<S::Future, C, R, U>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let until = self.until.clone();
        match self.throttle.admit(self.class.class(&request)) {
            Ok(mut pass) => {
                let reply = pass.during(|| self.inner.call(request));
                ThrottledFuture::sent(reply, pass, self.classify.clone(), until)
            }
            Err(fact) => ThrottledFuture::refused(fact, self.refuse.clone(), until),
        }
    }
}
