//! The four shapes of a gRPC method: who sends how many messages.
//!
//! They tell a [`Server`](crate::Server) or a [`Client`](crate::Client) of one
//! shape from another, and have no values.

/// One message each way.
#[derive(Debug, Clone, Copy)]
pub enum Unary {}

/// One message there, a stream back.
#[derive(Debug, Clone, Copy)]
pub enum ServerStreaming {}

/// A stream there, one message back.
#[derive(Debug, Clone, Copy)]
pub enum ClientStreaming {}

/// A stream each way, independent of one another.
#[derive(Debug, Clone, Copy)]
pub enum Bidi {}
