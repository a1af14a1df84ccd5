//! Streams over HTTP: how items become a body, and a body items.
//!
//! A body that is a stream is written and read by a format: `json_lines` both
//! ways, `sse` for replies, each behind its feature, or your own, by
//! [`WriteItems`] and [`ReadItems`]. An [`Incoming`] is what an endpoint takes
//! that takes a stream.
//!
//! # The end
//!
//! Whoever reads a stream must know whether it has all of it:
//!
//! - A stream that came to its end is a body that ends as HTTP says it does:
//!   by its last chunk (HTTP/1.1) or `END_STREAM` (HTTP/2). A body that is cut has
//!   neither, and a client must not take it for whole (RFC 9112, section 8).
//!   The body of a request always says its end.
//! - A reply may also end with its connection, without a word: one of HTTP/1.0, or
//!   of HTTP/1.1 with neither a length nor chunks (RFC 9112, section 6.3). A
//!   [`Server`](crate::Server) served by hyper sends none over HTTP/1.1, but who
//!   stands between may make such a one of what it sends. Then HTTP knows no cut.
//!   A cut line of `json_lines` is told all the same, as [`ReadError::BrokeOff`],
//!   and a cut event of `sse` is left out; a cut between items looks like the end. Where
//!   that matters, let the last item say that it is the last.
//! - A fault amid a stream is its last item, which each format marks so that
//!   no item is like it; then the body ends properly. A body that is aborted
//!   instead would lose the fault: a reset overtakes what was written before it.
//! - A fault before the stream is there, which the endpoint responds with, has a
//!   status of its own, as that of any endpoint. So check what can be checked
//!   before returning the stream.

mod error;
#[cfg(any(feature = "json-lines", feature = "sse"))]
pub(crate) mod fault;
mod incoming;

pub(crate) use self::incoming::Received;
pub use self::{error::ReadError, incoming::Incoming};
use crate::DecodeError;
use bytes::{Bytes, BytesMut};
use http::{Extensions, HeaderMap, Response};
use kit_endpoint::Fault;
use std::time::Duration;

/// A format in which a stream of `T`s is written, item by item.
pub trait WriteItems<T>: Clone {
    /// Why an item cannot be written.
    type Error: Fault;

    /// Sees the head of the request: what the endpoint needs from it goes into
    /// the extensions.
    fn before(&self, headers: &HeaderMap, extensions: &mut Extensions) {
        let _ = (headers, extensions);
    }

    /// Writes the headers of the reply: its `Content-Type` at the least.
    fn head(&self, headers: &mut HeaderMap);

    /// Appends one item to `out`, which is empty.
    ///
    /// # Errors
    ///
    /// Fails if the item cannot be written; what is in `out` is then dropped,
    /// and the stream ends with this fault.
    fn item(&self, item: T, out: &mut BytesMut) -> Result<(), Self::Error>;

    /// Appends the fault that ends the stream: `failure` is what the error
    /// encoder makes of it. Asked to wait, a caller should do so before it
    /// calls again.
    fn fault(&self, failure: &Response<Bytes>, wait: Option<Duration>, out: &mut BytesMut);

    /// What to send when nothing was for how long, so that nobody on the way
    /// takes the connection for dead. Nothing by default.
    fn keep_alive(&self) -> Option<(Duration, Bytes)> {
        None
    }
}

/// A format in which a stream is read, and a reader of it: whoever reads
/// clones a fresh one for each body.
pub trait ReadItems: Clone {
    /// What is read.
    type Item;

    /// Looks at the head of the message whose body is to be read.
    ///
    /// # Errors
    ///
    /// Fails if the body is of another type.
    fn check(&self, headers: &HeaderMap) -> Result<(), DecodeError> {
        let _ = headers;
        Ok(())
    }

    /// Returns what to ask a server for, by `Accept`.
    fn accept(&self) -> &'static str;

    /// Takes the next chunk of the body, once there is no item in the last one.
    fn push(&mut self, chunk: Bytes);

    /// Returns the next item, if the chunks so far have all of it. After an
    /// error there is none.
    fn next_item(&mut self) -> Option<Result<Self::Item, ReadError>>;

    /// Returns the last item, if one is left at the end of the body.
    fn finish(&mut self) -> Option<Result<Self::Item, ReadError>>;
}
