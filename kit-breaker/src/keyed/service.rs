use super::Circuits;
use crate::{Open, Permit, future::ResponseFuture};
use kit_endpoint::{AsError, Classify, Refuse, ServerFaults, Until, UntilReply};
use std::{
    hash::Hash,
    task::{Context, Poll},
};
use tower_service::Service;

/// Fails requests at once while those of the same key keep failing.
///
/// See the [module's documentation](super); a
/// [`KeyedBreakerLayer`](super::KeyedBreakerLayer) makes it.
#[derive(Debug, Clone)]
pub struct KeyedBreaker<S, K, F, C = ServerFaults, R = AsError, U = UntilReply> {
    pub(super) inner: S,
    pub(super) circuits: Circuits<K>,
    pub(super) key: F,
    pub(super) classify: C,
    pub(super) refuse: R,
    pub(super) until: U,
}

// ===== impl KeyedBreaker =====

impl<S, K, F, C, R, U> KeyedBreaker<S, K, F, C, R, U> {
    /// Returns the circuits.
    pub const fn circuits(&self) -> &Circuits<K> {
        &self.circuits
    }

    /// Returns the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, K, F, C, R, U, Req> Service<Req> for KeyedBreaker<S, K, F, C, R, U>
where
    S: Service<Req>,
    K: Hash + Eq + Clone,
    F: Fn(&Req) -> K,
    C: Classify<S::Response, S::Error>,
    R: Refuse<Open, S::Response, S::Error>,
    U: Until<S::Response, Permit, C>,
{
    type Response = U::Reply;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, C, R, U>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let until = self.until.clone();
        let circuit = self.circuits.of((self.key)(&request));
        match circuit.admit() {
            Ok(ticket) => {
                let mut permit = Permit::new(circuit, ticket);
                permit.begin();
                let reply = permit.during(|| self.inner.call(request));
                ResponseFuture::sent(reply, permit, self.classify.clone(), until)
            }
            Err(open) => {
                circuit.count_refused();
                ResponseFuture::refused(open, self.refuse.clone(), until)
            }
        }
    }
}
