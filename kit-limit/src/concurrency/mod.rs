//! An adaptive limit of concurrency.

mod algorithm;
mod error;
pub mod future;
mod gate;
mod layer;
mod limiter;
mod partitions;
mod permit;
mod service;
mod share;
mod sort;
mod window;

pub(crate) use self::error::RetryAfter;
pub use self::{
    algorithm::{Aimd, Algorithm, Fixed, Gradient2, Sample, Sampling},
    error::ConcurrencyLimited,
    layer::ConcurrencyLimitLayer,
    limiter::Limiter,
    partitions::{BadPartitions, Partitions},
    permit::Permit,
    service::ConcurrencyLimit,
    sort::{ByCriticality, Class, OneClass, Partition, Whole},
};
