//! A unary gRPC method of another service, as an endpoint.

mod body;
mod error;
pub mod future;
mod service;

pub use self::{
    error::{CallError, Rejection},
    service::Client,
};
