//! The http-level part: what surrounds the generated servers.
//!
//! A [`Grpc`] runs the hooks and keeps the deadline of every call, of unknown
//! methods too. It stands outside tonic's own code, because inside it neither
//! the trailers nor the last frame can be seen.

mod body;
pub mod future;
mod layer;
mod metadata;
mod refusal;
mod service;
mod slot;
mod unread;

pub use self::{
    body::{RequestBody, ResponseBody},
    layer::GrpcLayer,
    metadata::{GiveReplyMetadata, ReplyMetadata},
    service::Grpc,
};
pub(crate) use self::{
    metadata::is_reserved,
    slot::{Slot, answer},
    unread::Unread,
};
