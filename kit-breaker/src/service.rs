use crate::{Circuit, Open, Permit, future::ResponseFuture, permit::Door};
use kit_endpoint::{AsError, Classify, Refuse, ServerFaults, Until, UntilReply};
use std::task::{Context, Poll};
use tower_service::Service;

/// Fails requests at once while the inner service keeps failing.
///
/// See the [crate documentation](crate) for the states of the circuit; a
/// [`BreakerLayer`](crate::BreakerLayer) makes it.
#[derive(Debug)]
pub struct Breaker<S, C = ServerFaults, R = AsError, U = UntilReply> {
    pub(crate) inner: S,
    pub(crate) classify: C,
    pub(crate) refuse: R,
    pub(crate) until: U,
    /// Asked in `poll_ready`, passed in `call`.
    pub(crate) door: Door,
}

// ===== impl Breaker =====

impl<S, C, R, U> Breaker<S, C, R, U> {
    /// Returns the circuit that this breaker and its clones share.
    pub const fn circuit(&self) -> &Circuit {
        self.door.circuit()
    }

    /// Returns the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, C, R, U, Req> Service<Req> for Breaker<S, C, R, U>
where
    S: Service<Req>,
    C: Classify<S::Response, S::Error>,
    R: Refuse<Open, S::Response, S::Error>,
    U: Until<S::Response, Permit, C>,
{
    type Response = U::Reply;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, C, R, U>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let Self { inner, classify, door, .. } = self;
        door.ready(|| inner.poll_ready(cx), |error| classify.judge(Err(error)))
    }

    #[inline]
    fn call(&mut self, request: Req) -> Self::Future {
        let until = self.until.clone();
        match self.door.enter() {
            Ok(mut permit) => {
                permit.begin();
                let reply = permit.during(|| self.inner.call(request));
                ResponseFuture::sent(reply, permit, self.classify.clone(), until)
            }
            Err(open) => {
                self.door.circuit().count_refused();
                ResponseFuture::refused(open, self.refuse.clone(), until)
            }
        }
    }
}

impl<S: Clone, C: Clone, R: Clone, U: Clone> Clone for Breaker<S, C, R, U> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            classify: self.classify.clone(),
            refuse: self.refuse.clone(),
            until: self.until.clone(),
            door: self.door.clone(),
        }
    }
}
