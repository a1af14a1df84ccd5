use crate::{Circuit, Open, Permit, future::ResponseFuture};
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
    pub(crate) circuit: Circuit,
    /// Decided in `poll_ready`, spent in `call`, never cloned.
    pub(crate) admission: Option<Result<Permit, Open>>,
}

// ===== impl Breaker =====

impl<S, C, R, U> Breaker<S, C, R, U> {
    /// Returns the circuit that this breaker and its clones share.
    pub const fn circuit(&self) -> &Circuit {
        &self.circuit
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

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // One that waits for the inner service has to hear that the circuit opened.
        if !matches!(&self.admission, Some(Ok(permit)) if permit.holds()) {
            // Gives a place back first, if it had one.
            self.admission = None;
            self.admission = Some(self.circuit.admit());
        }
        let Some(Ok(permit)) = &mut self.admission else {
            // Do not ask the inner service: it may be pending because it is down.
            return Poll::Ready(Ok(()));
        };
        let poll = permit.during(|| self.inner.poll_ready(cx));
        if let Poll::Ready(Err(error)) = &poll {
            permit.record(self.classify.judge(Err(error)));
            self.admission = None;
        }
        poll
    }

    #[expect(clippy::expect_used, reason = "allowed by the contract of `Service::call`")]
    fn call(&mut self, request: Req) -> Self::Future {
        let until = self.until.clone();
        match self.admission.take().expect("poll_ready must be called first") {
            Ok(mut permit) => {
                permit.begin();
                let reply = permit.during(|| self.inner.call(request));
                ResponseFuture::sent(reply, permit, self.classify.clone(), until)
            }
            Err(open) => {
                self.circuit.count_refused();
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
            circuit: self.circuit.clone(),
            // Readiness belongs to one handle: the clone must ask for its own.
            admission: None,
        }
    }
}
