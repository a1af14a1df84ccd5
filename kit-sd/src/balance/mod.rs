//! Choosing one endpoint of many.
//!
//! A [`Balancer`] is asked anew for each attempt, so it always chooses from
//! the endpoints as they are now. [`RoundRobin`] takes them in turn,
//! [`Random`] takes any. Write your own over [`Endpoints`](crate::Endpoints):
//! choosing takes `&self`, no lock, and no longer than reading the set.

mod random;
mod round_robin;

pub use self::{random::Random, round_robin::RoundRobin};
use crate::NoEndpoints;
use std::sync::Arc;

/// Chooses an endpoint for each attempt.
pub trait Balancer: Send + Sync + 'static {
    /// What it chooses: a service that makes the attempt.
    type Endpoint;

    /// Chooses one.
    ///
    /// # Errors
    ///
    /// Returns [`NoEndpoints`] when there is none to choose from.
    fn pick(&self) -> Result<Self::Endpoint, NoEndpoints>;
}

impl<B: Balancer> Balancer for Arc<B> {
    type Endpoint = B::Endpoint;

    fn pick(&self) -> Result<Self::Endpoint, NoEndpoints> {
        (**self).pick()
    }
}
