//! Limits for any tower service: refuse early what cannot be served well.

pub mod bulkhead;
pub mod concurrency;
pub mod rate;
mod sync;
