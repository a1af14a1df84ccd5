//! gRPC's interoperability cases, against another implementation of gRPC.
//!
//! gRPC's project describes a test service and what clients ask of it, so that
//! implementations can be tried against each other. Here is that service, each
//! method of it an endpoint ([`service`], mounted by [`app`]), and the cases
//! that need no credentials and no compression, as calls of clients ([`cases`]).
//! Both are used with their like in this process, and with Python's `grpcio`.
//!
//! A [`Tally`] counts what hooks and layers hear of, so that a test can say
//! that each heard of each call, once, and how it ended.

pub mod cases;
pub mod client;
mod count;
mod error;
mod metadata;
mod server;
pub mod service;
mod tally;

pub use self::{
    count::{Count, CountLayer, Streaming, Unary},
    error::{DOMAIN, Error, MOST},
    metadata::{Custom, Echo, EchoMetadata, INITIAL, TRAILING},
    server::{LIMIT, app},
    tally::{Counts, Tally},
};

use std::convert::Infallible;

/// The messages.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::pedantic,
    clippy::use_self,
    reason = "generated"
)]
pub mod pb {
    include!("pb/grpc.testing.rs");

    /// The descriptors of the messages, for who has no generated code.
    pub const DESCRIPTOR: &[u8] = include_bytes!("pb/interop.bin");
}

/// The messages are the endpoints' own: a codec that reads and writes them.
fn same<M>(message: M) -> Result<M, Infallible> {
    Ok(message)
}
