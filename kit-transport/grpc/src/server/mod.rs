//! The message-level part: an endpoint as a method of a gRPC service.

pub mod future;
mod service;
mod unary;

pub use self::{service::Server, unary::Unary};
