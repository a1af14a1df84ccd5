//! The message-level part: an endpoint as a method of a gRPC service.

mod encoder;
mod error;
pub mod future;
mod incoming;
mod mount;
mod replies;
mod service;
mod streaming;
mod unary;

pub use self::{
    encoder::Encoder,
    error::ReadError,
    incoming::Incoming,
    mount::Mount,
    replies::Replies,
    service::Server,
    streaming::{Bidi, ClientStreaming, ServerStreaming},
    unary::Unary,
};
