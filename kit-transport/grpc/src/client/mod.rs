//! A gRPC method of another service, as an endpoint.

mod body;
mod error;
pub mod future;
mod metadata;
mod options;
mod outgoing;
mod replies;
mod service;
mod watching;

pub use self::{
    error::{CallError, Rejection},
    metadata::ReceivedMetadata,
    replies::Replies,
    service::Client,
};
