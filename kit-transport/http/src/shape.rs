//! The four shapes of a call: who sends how many messages.
//!
//! They tell a [`Server`](crate::Server) of one shape from another, and have no
//! values.

/// One message each way.
#[derive(Debug, Clone, Copy)]
pub enum Unary {}

/// One message there, a stream back.
#[derive(Debug, Clone, Copy)]
pub enum ServerStreaming {}

/// A stream there, one message back.
#[derive(Debug, Clone, Copy)]
pub enum ClientStreaming {}

/// A stream each way.
#[derive(Debug, Clone, Copy)]
pub enum Bidi {}

/// The shapes whose request is one message, so that its body is read whole,
/// within limits. Nobody else implements it.
pub trait OneRequest: sealed::Sealed {}

impl OneRequest for Unary {}
impl OneRequest for ServerStreaming {}

mod sealed {
    /// Keeps the set closed.
    pub trait Sealed {}

    impl Sealed for super::Unary {}
    impl Sealed for super::ServerStreaming {}
}
