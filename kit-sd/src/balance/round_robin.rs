use super::Balancer;
use crate::{Endpoints, NoEndpoints};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Takes the endpoints in turn, whatever they are doing.
///
/// One counter, modulo the number of endpoints of the moment: with a steady
/// set every endpoint is chosen equally often, by any number of threads; as
/// the set changes the turn may skip one.
///
/// ```
/// use kit_sd::{Balancer, Endpoints, Instance, RoundRobin};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let a = Instance::new("hello", "10.0.0.1:80".parse()?);
/// let b = Instance::new("hello", "10.0.0.2:80".parse()?);
/// let balancer = RoundRobin::new(Endpoints::fixed([(a, "a"), (b, "b")]));
/// assert_eq!([balancer.pick()?, balancer.pick()?, balancer.pick()?], ["a", "b", "a"]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RoundRobin<S> {
    endpoints: Endpoints<S>,
    turn: AtomicUsize,
}

// ===== impl RoundRobin =====

impl<S> RoundRobin<S> {
    /// Takes `endpoints` in turn, from the first on.
    #[must_use]
    pub const fn new(endpoints: Endpoints<S>) -> Self {
        Self { endpoints, turn: AtomicUsize::new(0) }
    }
}

impl<S: Clone + Send + Sync + 'static> Balancer for RoundRobin<S> {
    type Endpoint = S;

    fn pick(&self) -> Result<S, NoEndpoints> {
        self.endpoints.with(|members| {
            if members.is_empty() {
                return Err(NoEndpoints(()));
            }
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            Ok(members[turn % members.len()].endpoint().clone())
        })
    }
}
