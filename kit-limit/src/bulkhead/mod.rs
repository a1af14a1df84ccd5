//! A bulkhead: so many calls at once, and a queue that has an end.

mod compartment;
mod door;
mod error;
pub mod future;
mod layer;
mod line;
mod service;

pub use self::{
    compartment::{Compartment, Place},
    error::{BulkheadFull, Refusal},
    layer::BulkheadLayer,
    service::{AnyDeadline, Bulkhead, Deadline, OfRequest},
};
