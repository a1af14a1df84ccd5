use super::Balancer;
use crate::{Endpoints, NoEndpoints};
use fastrand::Rng;
use std::sync::atomic::{AtomicU64, Ordering};

/// Takes any of the endpoints, each as likely as every other.
///
/// Unlike [`RoundRobin`](super::RoundRobin) it keeps many clients that started
/// together from going round in step. Its numbers are those of wyrand over a
/// Weyl sequence: any number of threads draw from it without a lock.
///
/// ```
/// use kit_sd::{Balancer, Endpoints, Instance, Random};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let a = Instance::new("hello", "10.0.0.1:80".parse()?);
/// let b = Instance::new("hello", "10.0.0.2:80".parse()?);
/// let balancer = Random::new(Endpoints::fixed([(a, "a"), (b, "b")]));
/// assert!(["a", "b"].contains(&balancer.pick()?));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Random<S> {
    endpoints: Endpoints<S>,
    state: AtomicU64,
}

/// The step of a Weyl sequence that visits every state: the golden ratio of
/// 2^64, made odd (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number
/// Generators", 2014).
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

// ===== impl Random =====

impl<S> Random<S> {
    /// Takes any of `endpoints`, in an order that is never the same.
    #[must_use]
    pub fn new(endpoints: Endpoints<S>) -> Self {
        Self { endpoints, state: AtomicU64::new(fastrand::u64(..)) }
    }

    /// Takes them in the order that follows from `seed`: for tests.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.state = AtomicU64::new(seed);
        self
    }
}

impl<S: Clone + Send + Sync + 'static> Balancer for Random<S> {
    type Endpoint = S;

    fn pick(&self) -> Result<S, NoEndpoints> {
        self.endpoints.with(|members| {
            if members.is_empty() {
                return Err(NoEndpoints(()));
            }
            let state = self.state.fetch_add(STEP, Ordering::Relaxed);
            let any = Rng::with_seed(state).usize(..members.len());
            Ok(members[any].endpoint().clone())
        })
    }
}
