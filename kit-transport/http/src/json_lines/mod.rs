//! Streams of JSON lines, by `serde`: requests and replies.
//!
//! [`Reader`] and [`Writer`] are for a [`Server`](crate::Server), [`Replies`] for a
//! [`StreamClient`](crate::StreamClient).
//!
//! # The format
//!
//! `application/jsonl` (<https://jsonlines.org>); `application/x-ndjson`, the same
//! under another name, is read too. Every item is one JSON text (RFC 8259) on a
//! line of its own, which ends in LF:
//!
//! ```text
//! {"greeting":"Hello, Ada!"}
//! {"greeting":"Hello, Bob!"}
//! {"error":{"type":"about:blank","title":"Not Found","status":404,"detail":"nobody is called Eve","kind":"NOT_FOUND"}}
//! ```
//!
//! A fault amid the stream of replies is its last line: the problem details that
//! would be the whole reply if nothing were sent yet, as the member `error` of
//! an object; where the caller should wait before it tries again, the member
//! `retryAfterMs` follows. The line of a fault starts with `{"error":`, and no
//! other line does: an item that would is written with a space before it, which
//! to JSON is nothing. So a `Replies` never takes one for the other, and whoever reads
//! with other means need only know whether its items have an `error`.
//!
//! Without such a line the stream is whole, if the body is: HTTP tells a body
//! that came to its end from one that was cut, but where the end of the connection
//! is that of the body (see [the end](crate::stream#the-end)). There a `Replies`
//! still tells a cut within a line: the line has no LF then, and is no item, since
//! `12` may be what is left of `1234`. An end marker of our own would tell a cut
//! between lines too, and make every other reader skip it.
//!
//! What is read may also end its lines in CR LF, and have empty lines, which are
//! left out. The last line of requests needs no end, as HTTP says where a request
//! ends; that of replies does, whatever the length of the body was said to be.
//! A line may have 1 MiB ([`Reader::line_limit`]); the stream has no limit.

mod lines;
mod read;
mod write;

pub use self::{
    lines::Lines,
    read::{Reader, Replies},
    write::Writer,
};

/// What the line of a fault starts with, and no other.
const FAULT: &[u8] = br#"{"error":"#;
