#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
//! What is answered to each case of RFC 9112 (with 9110), 9113 and 7541, byte
//! by byte, and that no request hides in another.
//!
//! The tables are the list in `docs/src/conformance.md`, which a test compares;
//! with `KIT_BLESS=1` it is written anew. A case where the RFC asks for
//! something else has a [`Gap`], and is asserted as it is: it fails when that is
//! mended.

mod pipes;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use kit_serve::serve;
use pipes::{Net, PREFACE, settle, start};
use std::{
    convert::Infallible,
    fmt::{self, Write as _},
    future::pending,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    task::yield_now,
    time::timeout,
};

use self::After::{Closed, Open, Waits};
use self::Event::{Ack, GoAway, Pong, Reply, Reset, Text, Unfinished};

// ----- cases

/// What is sent over HTTP/1, and what comes of it.
struct Http1 {
    rfc: &'static str,
    what: &'static str,
    sent: &'static [&'static [u8]],
    pace: Pace,
    /// The status of each reply.
    replies: &'static [u16],
    after: After,
    /// Each request as the service saw it: see [`Heard`].
    served: &'static [&'static str],
    gap: Option<Gap>,
}

/// What is sent over HTTP/2, and what comes of it.
struct Http2 {
    rfc: &'static str,
    what: &'static str,
    /// Frames; each is dealt with before the next.
    sent: fn() -> Vec<Vec<u8>>,
    /// It is all that is sent: no preface and no SETTINGS come before it.
    is_bare: bool,
    pace: Pace,
    events: &'static [Event],
    after: After,
    served: &'static [&'static str],
    gap: Option<Gap>,
}

/// How it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// Both ways, to the same effect.
    Any,
    AtOnce,
    ByteByByte,
}

/// What becomes of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// It serves one more request.
    Open,
    /// The server ends it.
    Closed,
    /// One more request is not taken for one, since something is owed yet.
    Waits,
}

/// Where the RFC asks for something else.
#[derive(Debug, Clone, Copy)]
enum Gap {
    /// hyper or h2 settle it before kit-serve sees the request.
    Parser(&'static str),
    /// kit-serve does it so on purpose.
    Choice(&'static str),
}

/// What a server says over HTTP/2, beside its SETTINGS and windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    /// A stream and the status of its reply.
    Reply(u32, u16),
    /// A reply that has no end.
    Unfinished(u32),
    Reset(u32, u32),
    GoAway(u32),
    Pong(u64),
    /// Of SETTINGS, after the first.
    Ack,
    /// A status, in HTTP/1.
    Text(u16),
}

const fn h1(
    rfc: &'static str,
    what: &'static str,
    sent: &'static [&'static [u8]],
    replies: &'static [u16],
    after: After,
    served: &'static [&'static str],
) -> Http1 {
    Http1 { rfc, what, sent, pace: Pace::Any, replies, after, served, gap: None }
}

const fn h2(
    rfc: &'static str,
    what: &'static str,
    sent: fn() -> Vec<Vec<u8>>,
    events: &'static [Event],
    after: After,
    served: &'static [&'static str],
) -> Http2 {
    Http2 { rfc, what, sent, is_bare: false, pace: Pace::Any, events, after, served, gap: None }
}

/// By a 400, before the service sees it.
const fn refused(rfc: &'static str, what: &'static str, sent: &'static [&'static [u8]]) -> Http1 {
    h1(rfc, what, sent, &[400], Closed, &[])
}

/// By the service, since a body is broken.
const fn broken(
    rfc: &'static str,
    what: &'static str,
    sent: &'static [&'static [u8]],
    served: &'static [&'static str],
) -> Http1 {
    h1(rfc, what, sent, &[400], Closed, served)
}

const fn served(
    rfc: &'static str,
    what: &'static str,
    sent: &'static [&'static [u8]],
    served: &'static [&'static str],
) -> Http1 {
    h1(rfc, what, sent, &[200], Open, served)
}

/// Served, and the connection is closed.
const fn last(
    rfc: &'static str,
    what: &'static str,
    sent: &'static [&'static [u8]],
    served: &'static [&'static str],
) -> Http1 {
    h1(rfc, what, sent, &[200], Closed, served)
}

const fn answered(
    rfc: &'static str,
    what: &'static str,
    sent: fn() -> Vec<Vec<u8>>,
    served: &'static [&'static str],
) -> Http2 {
    h2(rfc, what, sent, &[Reply(1, 200)], Open, served)
}

/// By a 400, before the service sees it.
const fn turned(rfc: &'static str, what: &'static str, sent: fn() -> Vec<Vec<u8>>) -> Http2 {
    h2(rfc, what, sent, &[Reply(1, 400)], Open, &[])
}

/// Of the stream.
const fn reset(
    rfc: &'static str,
    what: &'static str,
    sent: fn() -> Vec<Vec<u8>>,
    served: &'static [&'static str],
) -> Http2 {
    h2(rfc, what, sent, &[Reset(1, PROTOCOL_ERROR)], Open, served)
}

/// Of the connection.
const fn goaway(
    rfc: &'static str,
    what: &'static str,
    sent: fn() -> Vec<Vec<u8>>,
    served: &'static [&'static str],
) -> Http2 {
    h2(rfc, what, sent, &[GoAway(PROTOCOL_ERROR)], Closed, served)
}

const LETTERS: Gap =
    Gap::Choice("SHOULD be 400; clients send them, and nobody reads them otherwise");
const HTTPS: Gap =
    Gap::Choice("MUST be refused unless a gateway in front ended TLS: that is not known");
const FIRST: Gap = Gap::Parser("MUST be a connection error; h2 does not ask for SETTINGS first");
const SIZE: Gap = Gap::Parser("the code MUST be FRAME_SIZE_ERROR");
const CLOSED: Gap = Gap::Parser("the code MUST be STREAM_CLOSED");
const COMPRESSION: Gap = Gap::Parser("the code MUST be COMPRESSION_ERROR");
const TRAILERS: Gap = Gap::Parser("MUST be malformed; h2 passes over pseudo-fields in trailers");

impl Http1 {
    const fn sent(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    const fn gap(mut self, gap: Gap) -> Self {
        self.gap = Some(gap);
        self
    }
}

impl Http2 {
    const fn sent(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    const fn gap(mut self, gap: Gap) -> Self {
        self.gap = Some(gap);
        self
    }

    const fn bare(mut self) -> Self {
        self.is_bare = true;
        self
    }
}

// ----- HTTP/1

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n";
const POST: &[u8] = b"POST / HTTP/1.1\r\nhost: a\r\n";
const CHUNKED: &[u8] = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
/// A request that is not one, but a part of another: 35 bytes.
const HIDDEN: &[u8] = b"GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";

const HTTP1: &[(&str, &[Http1])] = &[
    ("HTTP/1.1: request line", REQUEST_LINE),
    ("HTTP/1.1: host", HOST),
    ("HTTP/1.1: fields", FIELDS),
    ("HTTP/1.1: length of a body", LENGTH),
    ("HTTP/1.1: transfer codings", CODINGS),
    ("HTTP/1.1: chunks", CHUNKS),
    ("HTTP/1.1: requests hidden in others", SMUGGLING),
    ("HTTP/1.1: connections", CONNECTIONS),
];

const REQUEST_LINE: &[Http1] = &[
    served("9112 3", "a request", &[GET, b"\r\n"], &["GET /"]),
    served(
        "9110 9.1",
        "a method that nobody knows",
        &[b"BREW / HTTP/1.1\r\nhost: a\r\n\r\n"],
        &["BREW /"],
    ),
    served(
        "9110 9.1",
        "a method in small letters is another",
        &[b"get / HTTP/1.1\r\nhost: a\r\n\r\n"],
        &["get /"],
    ),
    served(
        "9110 5.6.2",
        "a method of all letters of a token",
        &[b"!#$%&'*+-.^_`|~09aZ / HTTP/1.1\r\nhost: a\r\n\r\n"],
        &["!#$%&'*+-.^_`|~09aZ /"],
    ),
    refused("9110 5.6.2", "a method with a delimiter", &[b"GE(T / HTTP/1.1\r\nhost: a\r\n\r\n"]),
    refused("9112 3", "no method", &[b" / HTTP/1.1\r\nhost: a\r\n\r\n"]),
    refused("9112 3", "two spaces before the target", &[b"GET  / HTTP/1.1\r\nhost: a\r\n\r\n"]),
    refused("9112 3", "two spaces before the version", &[b"GET /  HTTP/1.1\r\nhost: a\r\n\r\n"]),
    refused("9112 3", "a space after the version", &[b"GET / HTTP/1.1 \r\nhost: a\r\n\r\n"]),
    refused("9112 3", "a tab in place of a space", &[b"GET\t/\tHTTP/1.1\r\nhost: a\r\n\r\n"]),
    refused("9112 3", "a space in the target", &[b"GET /a b HTTP/1.1\r\nhost: a\r\n\r\n"]),
    refused("9112 3", "no version, and fields", &[b"GET /\r\nhost: a\r\n\r\n"]),
    refused("9112 2.3", "HTTP/0.9", &[b"GET /\r\n"]).sent(Pace::AtOnce),
    h1("9112 2.3", "HTTP/0.9", &[b"GET /\r\n"], &[], Waits, &[]).sent(Pace::ByteByByte),
    last("9112 2.3", "HTTP/1.0", &[b"GET / HTTP/1.0\r\n\r\n"], &["GET /"]),
    refused(
        "9110 2.5",
        "a minor version to come: HTTP/1.2",
        &[b"GET / HTTP/1.2\r\nhost: a\r\n\r\n"],
    )
    .gap(Gap::Parser("it SHOULD be served as HTTP/1.1; httparse knows 1.0 and 1.1")),
    refused("9110 15.6.6", "HTTP/2.0 in text", &[b"GET / HTTP/2.0\r\nhost: a\r\n\r\n"]),
    refused("9110 15.6.6", "HTTP/9.9", &[b"GET / HTTP/9.9\r\nhost: a\r\n\r\n"]),
    refused("9112 2.3", "the version in small letters", &[b"GET / http/1.1\r\nhost: a\r\n\r\n"]),
    refused("9112 2.3", "HTTP/1.10", &[b"GET / HTTP/1.10\r\nhost: a\r\n\r\n"]),
    refused("9112 2.3", "HTTP/01.1", &[b"GET / HTTP/01.1\r\nhost: a\r\n\r\n"]),
    refused("9112 2.3", "HTTP/1", &[b"GET / HTTP/1\r\nhost: a\r\n\r\n"]),
    served(
        "9112 2.2",
        "lines that end by LF alone (MAY)",
        &[b"GET / HTTP/1.1\nhost: a\n\n"],
        &["GET /"],
    ),
    refused("9112 2.2", "lines that end by CR alone", &[b"GET / HTTP/1.1\rhost: a\r\r"])
        .sent(Pace::AtOnce),
    h1(
        "9112 2.2",
        "lines that end by CR alone",
        &[b"GET / HTTP/1.1\rhost: a\r\r"],
        &[],
        Waits,
        &[],
    )
    .sent(Pace::ByteByByte),
    refused("9112 2.2", "CR in the target", &[b"GET /a\rb HTTP/1.1\r\nhost: a\r\n\r\n"]),
    served("9112 2.2", "empty lines before a request", &[b"\r\n\r\n", GET, b"\r\n"], &["GET /"]),
    refused("9112 3.2", "NUL in the target", &[b"GET /a\0b HTTP/1.1\r\nhost: a\r\n\r\n"]),
    refused("9112 3.2", "DEL in the target", &[b"GET /a\x7fb HTTP/1.1\r\nhost: a\r\n\r\n"]),
    refused(
        "9112 3.2",
        "UTF-8 in the target, raw",
        &[b"GET /\xc3\xa4 HTTP/1.1\r\nhost: a\r\n\r\n"],
    ),
    refused(
        "9112 3.2",
        "UTF-8 of too many bytes in the target, raw",
        &[b"GET /\xc0\xaf HTTP/1.1\r\nhost: a\r\n\r\n"],
    ),
    served(
        "9112 3.2",
        "the same in percents: it is the service's",
        &[b"GET /%c0%af%00 HTTP/1.1\r\nhost: a\r\n\r\n"],
        &["GET /%c0%af%00"],
    ),
    served(
        "9112 3.2",
        "a fragment in the target",
        &[b"GET /a#b HTTP/1.1\r\nhost: a\r\n\r\n"],
        &["GET /a"],
    )
    .gap(Gap::Parser("SHOULD be 400; the parser drops the fragment")),
    served(
        "9112 3.2",
        "quotes and braces in the path, raw",
        &[b"GET /{\"a\"} HTTP/1.1\r\nhost: a\r\n\r\n"],
        &["GET /{\"a\"}"],
    )
    .gap(LETTERS),
    refused(
        "9112 3.2",
        "quotes and braces in the query, raw",
        &[b"GET /?{\"a\"|} HTTP/1.1\r\nhost: a\r\n\r\n"],
    ),
    served(
        "9112 3.2",
        "`^` in the path, raw",
        &[b"GET /^ HTTP/1.1\r\nhost: a\r\n\r\n"],
        &["GET /^"],
    )
    .gap(LETTERS),
    refused("9112 3.2", r"`\` in the path, raw", &[b"GET /\\..\\ HTTP/1.1\r\nhost: a\r\n\r\n"]),
    refused(
        "9112 3.2",
        "a percent that begins nothing",
        &[b"GET /%zz% HTTP/1.1\r\nhost: a\r\n\r\n"],
    ),
    refused(
        "9112 3.2.3",
        "the authority form, not CONNECT, without a port",
        &[b"GET a HTTP/1.1\r\nhost: a\r\n\r\n"],
    ),
    refused(
        "9112 3.2",
        "letters in the path that no URI has",
        &[b"GET /a\"<>\\^`{|} HTTP/1.1\r\nhost: a\r\n\r\n"],
    ),
    refused(
        "9112 3.2",
        "letters in the query that no URI has",
        &[b"GET /?a\"<>\\^`{|} HTTP/1.1\r\nhost: a\r\n\r\n"],
    ),
    served(
        "9112 3.2.1",
        "the path and the query are left as they came",
        &[b"GET /a/..//b/%2e%2E/?x=/../ HTTP/1.1\r\nhost: a\r\n\r\n"],
        &["GET /a/..//b/%2e%2E/?x=/../"],
    ),
    served(
        "9112 3.2.2",
        "the absolute form",
        &[b"GET http://a/x HTTP/1.1\r\nhost: a\r\n\r\n"],
        &["GET http://a/x"],
    ),
    served(
        "9112 3.2.2",
        "the absolute form without a path",
        &[b"GET http://a HTTP/1.1\r\nhost: a\r\n\r\n"],
        &["GET http://a/"],
    ),
    served(
        "9110 7.4",
        "the absolute form of https, without TLS",
        &[b"GET https://a/ HTTP/1.1\r\nhost: a\r\n\r\n"],
        &["GET https://a/"],
    )
    .gap(HTTPS),
    refused(
        "9112 3.2.3",
        "the authority form, and not CONNECT",
        &[b"GET a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n"],
    ),
    refused("9112 3.2.3", "CONNECT", &[b"CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n"]),
    refused(
        "9112 3.2.4",
        "OPTIONS of `*`, which no service asked for",
        &[b"OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n"],
    ),
    refused("9112 3.2.4", "GET of `*`", &[b"GET * HTTP/1.1\r\nhost: a\r\n\r\n"]),
    refused("9112 3.2", "a path without a slash", &[b"GET x/y HTTP/1.1\r\nhost: a\r\n\r\n"]),
    last(
        "9110 4.1",
        "a URI of 8,000 bytes",
        &[b"GET /", &[b'x'; 7999], b" HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"],
        &[LONG],
    ),
    h1(
        "9112 3",
        "a URI of 9,000 bytes",
        &[b"GET /", &[b'x'; 8999], b" HTTP/1.1\r\nhost: a\r\n\r\n"],
        &[414],
        Closed,
        &[],
    ),
    h1(
        "9112 3",
        "a URI of 64 KiB",
        &[b"GET /", &[b'x'; 65_536], b" HTTP/1.1\r\nhost: a\r\n\r\n"],
        &[414],
        Closed,
        &[],
    ),
    h1(
        "9112 3",
        "a method of 9,000 bytes",
        &[&[b'G'; 9000], b" / HTTP/1.1\r\nhost: a\r\n\r\n"],
        &[414],
        Closed,
        &[],
    )
    .gap(Gap::Choice(
        "SHOULD be 501; a line that is too long is cut off before its method is known",
    )),
    last(
        "9113 3.4",
        "the preface of HTTP/2 after a request",
        &[GET, b"\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
        &["GET /"],
    )
    .sent(Pace::AtOnce),
    h1(
        "9113 3.4",
        "the preface of HTTP/2 after a request",
        &[GET, b"\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
        &[200, 400],
        Closed,
        &["GET /"],
    )
    .sent(Pace::ByteByByte),
];

/// A request whose target is too long to be listed, and how long it is.
const LONG: &str = "GET of 8,000 bytes";
const LONG_LENGTH: usize = 8_004;

const HOST: &[Http1] = &[
    refused("9112 3.2", "none", &[b"GET / HTTP/1.1\r\n\r\n"]),
    last("9112 3.2", "none, in HTTP/1.0", &[b"GET / HTTP/1.0\r\n\r\n"], &["GET /"]),
    refused("9112 3.2", "an empty one", &[b"GET / HTTP/1.1\r\nhost:\r\n\r\n"]),
    refused("9112 3.2", "two", &[GET, b"host: b\r\n\r\n"]),
    refused("9112 3.2", "two that are equal", &[GET, b"Host: a\r\n\r\n"]),
    refused("9112 3.2", "two, in HTTP/1.0", &[b"GET / HTTP/1.0\r\nhost: a\r\nhost: b\r\n\r\n"]),
    refused("9112 3.2", "with a user", &[b"GET / HTTP/1.1\r\nhost: u@a\r\n\r\n"]),
    refused("9112 3.2", "with a path", &[b"GET / HTTP/1.1\r\nhost: a/b\r\n\r\n"]),
    refused("9112 3.2", "with a query", &[b"GET / HTTP/1.1\r\nhost: a?b\r\n\r\n"]),
    refused("9112 3.2", "a list", &[b"GET / HTTP/1.1\r\nhost: a, b\r\n\r\n"]),
    refused("9112 3.2", "with a comma", &[b"GET / HTTP/1.1\r\nhost: a,b\r\n\r\n"]),
    refused("9112 3.2", "with a space", &[b"GET / HTTP/1.1\r\nhost: a b\r\n\r\n"]),
    refused("9112 3.2", "with a scheme", &[b"GET / HTTP/1.1\r\nhost: http://a\r\n\r\n"]),
    refused("9112 3.2", "not ASCII", &[b"GET / HTTP/1.1\r\nhost: \xe4\r\n\r\n"]),
    served(
        "9112 5.1",
        "with space around it",
        &[b"GET / HTTP/1.1\r\nhost: \t a \t\r\n\r\n"],
        &["GET /"],
    ),
    served(
        "9110 5.1",
        "its name in capital letters",
        &[b"GET / HTTP/1.1\r\nHOST:a\r\n\r\n"],
        &["GET /"],
    ),
    served(
        "9110 4.2.1",
        "an address of IPv6 and a port",
        &[b"GET / HTTP/1.1\r\nhost: [::1]:80\r\n\r\n"],
        &["GET /"],
    ),
    refused(
        "9110 4.2.1",
        "an address of IPv6 without an end",
        &[b"GET / HTTP/1.1\r\nhost: [::1\r\n\r\n"],
    ),
    refused("9110 4.2.1", "a port alone", &[b"GET / HTTP/1.1\r\nhost: :80\r\n\r\n"]),
    refused("9110 4.2.1", "a port of letters", &[b"GET / HTTP/1.1\r\nhost: a:b\r\n\r\n"]),
    refused("9110 4.2.1", "a port with a sign", &[b"GET / HTTP/1.1\r\nhost: a:+80\r\n\r\n"]),
    refused("9110 4.2.1", "a port of six digits", &[b"GET / HTTP/1.1\r\nhost: a:100000\r\n\r\n"]),
    served(
        "9110 4.2.1",
        "a port above 65535, which the grammar allows",
        &[b"GET / HTTP/1.1\r\nhost: a:65536\r\n\r\n"],
        &["GET /"],
    ),
    refused(
        "9112 3.2.2",
        "not the one of the absolute form",
        &[b"GET http://a/ HTTP/1.1\r\nhost: b\r\n\r\n"],
    )
    .gap(Gap::Choice(
        "the header MUST be ignored; a cache or a proxy in front may not have, so it is refused",
    )),
    refused("9112 3.2.2", "none, beside the absolute form", &[b"GET http://a/ HTTP/1.1\r\n\r\n"]),
    refused(
        "9110 4.2.4",
        "a user in the absolute form",
        &[b"GET http://u@a/ HTTP/1.1\r\nhost: a\r\n\r\n"],
    ),
];

const FIELDS: &[Http1] = &[
    refused("9112 5.1", "a space before the colon", &[GET, b"x : y\r\n\r\n"]),
    refused("9112 5.1", "a tab before the colon", &[GET, b"x\t: y\r\n\r\n"]),
    refused("9112 5", "an empty name", &[GET, b": y\r\n\r\n"]),
    refused("9112 5", "no colon", &[GET, b"x\r\n\r\n"]),
    refused("9112 5.2", "a value that goes on in the next line", &[GET, b"x: y\r\n z\r\n\r\n"]),
    refused("9112 5.2", "the same, by a tab", &[GET, b"x: y\r\n\tz\r\n\r\n"]),
    refused("9112 5.2", "a line of space only", &[GET, b"x: y\r\n \r\n\r\n"]),
    refused("9112 2.2", "space before the first field", &[b"GET / HTTP/1.1\r\n host: a\r\n\r\n"]),
    refused("9110 5.5", "CTL in a value", &[GET, b"x: a\x01b\r\n\r\n"]),
    refused("9110 5.5", "NUL in a value", &[GET, b"x: a\0b\r\n\r\n"]),
    refused("9110 5.5", "DEL in a value", &[GET, b"x: a\x7fb\r\n\r\n"]),
    refused("9110 5.5", "VT in a value", &[GET, b"x: a\x0bb\r\n\r\n"]),
    refused("9112 2.2", "CR in a value", &[GET, b"x: a\rb\r\n\r\n"]),
    refused("9112 2.2", "CR before CR LF", &[GET, b"x: a\r\r\n\r\n"]),
    served("9110 5.5", "a tab in a value", &[GET, b"x: a\tb\r\n\r\n"], &["GET / x=a\\tb"]),
    served(
        "9110 5.5",
        "bytes above 127 in a value",
        &[GET, b"x: \xe4\r\n\r\n"],
        &["GET / x=\\xe4"],
    ),
    served("9112 5.1", "space around a value", &[GET, b"x:\t y \t\r\n\r\n"], &["GET / x=y"]),
    served("9112 5.1", "an empty value", &[GET, b"x:\r\n\r\n"], &["GET / x="]),
    served(
        "9112 2.2",
        "a line that ends by LF (MAY)",
        &[GET, b"x: y\nz: z\r\n\r\n"],
        &["GET / x=y"],
    ),
    refused("9110 5.1", "a delimiter in a name", &[GET, b"x(y: z\r\n\r\n"]),
    refused("9110 5.1", "a space in a name", &[GET, b"x y: z\r\n\r\n"]),
    refused("9110 5.1", "NUL in a name", &[GET, b"x\0: z\r\n\r\n"]),
    refused("9110 5.1", "bytes above 127 in a name", &[GET, b"x\xe4: z\r\n\r\n"]),
    served(
        "9110 5.1",
        "a name of all letters of a token",
        &[GET, b"!#$%&'*+-.^_`|~09aZ: z\r\n\r\n"],
        &["GET /"],
    ),
    h1(
        "6585 5",
        "a field of 17 KiB",
        &[GET, b"x: ", &[b'y'; 17_408], b"\r\n\r\n"],
        &[431],
        Closed,
        &[],
    ),
    h1(
        "6585 5",
        "a field of 500 KiB",
        &[GET, b"x: ", &[b'y'; 512_000], b"\r\n\r\n"],
        &[431],
        Closed,
        &[],
    ),
    h1(
        "6585 5",
        "101 fields",
        &[GET, b"a:\r\na:\r\na:\r\na:\r\na:\r\n", A20, A20, A20, A20, A5, A5, A5, b"\r\n"],
        &[431],
        Closed,
        &[],
    ),
    served("6585 5", "96 fields", &[GET, A20, A20, A20, A20, A5, A5, A5, b"\r\n"], &["GET /"]),
];

/// Fields, by number.
const A5: &[u8] = b"a:\r\na:\r\na:\r\na:\r\na:\r\n";
const A20: &[u8] = b"a:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\n\
    a:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\n";

const LENGTH: &[Http1] = &[
    served(
        "9112 6.3",
        "a body of its length",
        &[POST, b"content-length: 3\r\n\r\nabc"],
        &["POST / abc"],
    ),
    served("9112 6.3", "a length of 0", &[POST, b"content-length: 0\r\n\r\n"], &["POST /"]),
    served("9112 6.3", "no length", &[POST, b"\r\n"], &["POST /"]),
    served(
        "9110 9.3.1",
        "a body of a GET",
        &[GET, b"content-length: 3\r\n\r\nabc"],
        &["GET / abc"],
    ),
    served(
        "9110 9.3.2",
        "the reply to HEAD has no body",
        &[b"HEAD / HTTP/1.1\r\nhost: a\r\n\r\n"],
        &["HEAD /"],
    ),
    h1(
        "9112 8",
        "a body that is short",
        &[POST, b"content-length: 90\r\n\r\nabc"],
        &[],
        Waits,
        &["POST / abc <more>"],
    ),
    refused("9110 8.6", "`+3`", &[POST, b"content-length: +3\r\n\r\nabc"]),
    refused("9110 8.6", "`-3`", &[POST, b"content-length: -3\r\n\r\nabc"]),
    refused("9110 8.6", "`0x3`", &[POST, b"content-length: 0x3\r\n\r\nabc"]),
    refused("9110 8.6", "`3.0`", &[POST, b"content-length: 3.0\r\n\r\nabc"]),
    refused("9110 8.6", "`3_0`", &[POST, b"content-length: 3_0\r\n\r\nabc"]),
    refused("9110 8.6", "`1 3`", &[POST, b"content-length: 1 3\r\n\r\nabc"]),
    refused("9110 8.6", "`\"3\"`", &[POST, b"content-length: \"3\"\r\n\r\nabc"]),
    refused("9110 8.6", "`3;a`", &[POST, b"content-length: 3;a\r\n\r\nabc"]),
    refused("9110 8.6", "an empty length", &[POST, b"content-length:\r\n\r\nabc"]),
    refused(
        "9110 8.6",
        "digits that are not ASCII",
        &[POST, b"content-length: \xef\xbc\x93\r\n\r\nabc"],
    ),
    served(
        "9110 8.6",
        "space around it",
        &[POST, b"content-length: \t3 \r\n\r\nabc"],
        &["POST / abc"],
    ),
    served(
        "9110 8.6",
        "zeros before it",
        &[POST, b"content-length: 0003\r\n\r\nabc"],
        &["POST / abc"],
    ),
    refused("9112 6.3", "a list of equals (MAY)", &[POST, b"content-length: 3, 3\r\n\r\nabc"]),
    refused("9112 6.3", "a list of others", &[POST, b"content-length: 3, 4\r\n\r\nabc"]),
    served(
        "9112 6.3",
        "two that are equal (MAY)",
        &[POST, b"content-length: 3\r\nContent-Length: 3\r\n\r\nabc"],
        &["POST / abc"],
    ),
    refused(
        "9112 6.3",
        "two that differ",
        &[POST, b"content-length: 3\r\ncontent-length: 4\r\n\r\nabcd"],
    ),
    refused(
        "9112 6.3",
        "two, of which one is no length",
        &[POST, b"content-length: 3\r\ncontent-length: x\r\n\r\nabc"],
    ),
    refused("9110 8.6", "2^64", &[POST, b"content-length: 18446744073709551616\r\n\r\nabc"]),
    refused("9110 8.6", "2^64 + 3", &[POST, b"content-length: 18446744073709551619\r\n\r\nabc"]),
    h1(
        "9110 8.6",
        "2^64 - 1",
        &[POST, b"content-length: 18446744073709551615\r\n\r\nabc"],
        &[431],
        Closed,
        &[],
    ),
    h1(
        "9110 15.5.14",
        "2^63",
        &[POST, b"content-length: 9223372036854775808\r\n\r\nabc"],
        &[413],
        Closed,
        &[],
    ),
    h1(
        "9110 15.5.14",
        "more than the limit",
        &[POST, b"content-length: 30000001\r\n\r\nabc"],
        &[413],
        Closed,
        &[],
    ),
    refused("9112 5.1", "a space before the colon", &[POST, b"content-length : 3\r\n\r\nabc"]),
    served(
        "9112 6.3",
        "`Content_Length` is no length",
        &[POST, b"Content_Length: 3\r\n\r\n"],
        &["POST /"],
    ),
];

const CODINGS: &[Http1] = &[
    served("9112 7.1", "chunked", &[CHUNKED, b"3\r\nabc\r\n0\r\n\r\n"], &["POST / abc"]),
    served(
        "9112 7",
        "chunked in capital letters",
        &[POST, b"Transfer-Encoding: CHUNKED\r\n\r\n3\r\nabc\r\n0\r\n\r\n"],
        &["POST / abc"],
    ),
    served(
        "9112 5.1",
        "space around it",
        &[POST, b"transfer-encoding:\t chunked\t \r\n\r\n3\r\nabc\r\n0\r\n\r\n"],
        &["POST / abc"],
    ),
    refused(
        "9112 6.1",
        "in HTTP/1.0",
        &[b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", HIDDEN],
    ),
    refused(
        "9112 6.1",
        "in HTTP/1.0, with a length",
        &[
            b"POST / HTTP/1.0\r\nconnection: keep-alive\r\ncontent-length: 5\r\n",
            b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            HIDDEN,
        ],
    ),
    refused("9112 6.3", "identity", &[POST, b"transfer-encoding: identity\r\n\r\n", HIDDEN]),
    refused("9112 6.3", "xchunked", &[POST, b"transfer-encoding: xchunked\r\n\r\n", HIDDEN]),
    refused(
        "9112 6.3",
        "chunked, identity",
        &[POST, b"transfer-encoding: chunked, identity\r\n\r\n", HIDDEN],
    ),
    refused(
        "9112 6.3",
        "chunked with a parameter",
        &[POST, b"transfer-encoding: chunked;a=b\r\n\r\n", HIDDEN],
    ),
    refused(
        "9112 6.3",
        "chunked in quotes",
        &[POST, b"transfer-encoding: \"chunked\"\r\n\r\n", HIDDEN],
    ),
    refused("9112 6.3", "an empty coding", &[POST, b"transfer-encoding:\r\n\r\n", HIDDEN]),
    refused("9112 6.3", "a space in it", &[POST, b"transfer-encoding: chunk ed\r\n\r\n", HIDDEN]),
    refused(
        "9112 6.3",
        "a byte above 127 after it",
        &[POST, b"transfer-encoding: chunked\xa0\r\n\r\n", HIDDEN],
    ),
    refused("9110 5.5", "VT before it", &[POST, b"transfer-encoding: \x0bchunked\r\n\r\n", HIDDEN]),
    refused("9110 5.5", "FF after it", &[POST, b"transfer-encoding: chunked\x0c\r\n\r\n", HIDDEN]),
    refused("9110 5.5", "NUL after it", &[POST, b"transfer-encoding: chunked\0\r\n\r\n", HIDDEN]),
    refused(
        "9112 5.2",
        "in the next line",
        &[POST, b"transfer-encoding:\r\n chunked\r\n\r\n", HIDDEN],
    ),
    refused(
        "9110 5.6.1",
        "a comma after it",
        &[POST, b"transfer-encoding: chunked,\r\n\r\n0\r\n\r\n"],
    )
    .gap(Gap::Parser("an empty element of a list MUST be ignored; hyper looks at the last only")),
    served(
        "9110 5.6.1",
        "a comma before it",
        &[POST, b"transfer-encoding: ,chunked\r\n\r\n0\r\n\r\n"],
        &["POST /"],
    ),
    served(
        "9112 6.1",
        "gzip, chunked",
        &[POST, b"transfer-encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"],
        &["POST / abc"],
    )
    .gap(Gap::Parser(
        "a coding that is not known SHOULD be 501; hyper passes the field to the service",
    )),
    served(
        "9112 6.1",
        "chunked, chunked",
        &[POST, b"transfer-encoding: chunked, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"],
        &["POST / abc"],
    )
    .gap(Gap::Parser("a sender MUST NOT apply it twice; hyper takes off one")),
    served(
        "9112 6.1",
        "chunked in two fields",
        &[
            POST,
            b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
            b"3\r\nabc\r\n0\r\n\r\n",
        ],
        &["POST / abc"],
    )
    .gap(Gap::Parser("a sender MUST NOT apply it twice; hyper takes off one")),
    refused(
        "9112 6.3",
        "chunked, then identity in another field",
        &[POST, b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n", HIDDEN],
    ),
    served(
        "9112 6.3",
        "identity, then chunked in another field",
        &[
            POST,
            b"transfer-encoding: identity\r\ntransfer-encoding: chunked\r\n\r\n",
            b"3\r\nabc\r\n0\r\n\r\n",
        ],
        &["POST / abc"],
    )
    .gap(Gap::Parser("a coding that is not known SHOULD be 501; hyper looks at the last only")),
];

const CHUNKS: &[Http1] = &[
    served("9112 7.1", "several", &[CHUNKED, b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"], &["POST / abc"]),
    served("9112 7.1", "none", &[CHUNKED, b"0\r\n\r\n"], &["POST /"]),
    served(
        "9112 7.1",
        "a size in capital letters",
        &[CHUNKED, b"A\r\n0123456789\r\n0\r\n\r\n"],
        &["POST / 0123456789"],
    ),
    served(
        "9112 7.1",
        "zeros before a size",
        &[CHUNKED, b"0003\r\nabc\r\n000\r\n\r\n"],
        &["POST / abc"],
    ),
    broken(
        "9112 7.1",
        "a size of `+3`",
        &[CHUNKED, b"+3\r\nabc\r\n0\r\n\r\n"],
        &["POST / <broken>"],
    ),
    broken(
        "9112 7.1",
        "a size of `-3`",
        &[CHUNKED, b"-3\r\nabc\r\n0\r\n\r\n"],
        &["POST / <broken>"],
    ),
    broken(
        "9112 7.1",
        "a size of `0x3`",
        &[CHUNKED, b"0x3\r\nabc\r\n0\r\n\r\n"],
        &["POST / <broken>"],
    ),
    broken(
        "9112 7.1",
        "a size of `3_0`",
        &[CHUNKED, b"3_0\r\nabc\r\n0\r\n\r\n"],
        &["POST / <broken>"],
    ),
    broken(
        "9112 7.1",
        "a size of `3 0`",
        &[CHUNKED, b"3 0\r\nabc\r\n0\r\n\r\n"],
        &["POST / <broken>"],
    ),
    broken("9112 7.1", "no size", &[CHUNKED, b"\r\nabc\r\n0\r\n\r\n"], &["POST / <broken>"]),
    broken(
        "9112 7.1",
        "no size, and an extension",
        &[CHUNKED, b";a\r\nabc\r\n0\r\n\r\n"],
        &["POST / <broken>"],
    ),
    broken(
        "9112 7.1",
        "a space before a size",
        &[CHUNKED, b" 3\r\nabc\r\n0\r\n\r\n"],
        &["POST / <broken>"],
    ),
    served(
        "9112 7.1",
        "a space after a size",
        &[CHUNKED, b"3 \r\nabc\r\n0\r\n\r\n"],
        &["POST / abc"],
    )
    .gap(Gap::Parser("it is not in the grammar; hyper passes over it")),
    broken(
        "9112 7.1",
        "a size of 2^64",
        &[CHUNKED, b"10000000000000000\r\nabc\r\n0\r\n\r\n"],
        &["POST / <broken>"],
    ),
    broken(
        "9112 7.1",
        "a size of 2^64 + 3",
        &[CHUNKED, b"10000000000000003\r\nabc\r\n0\r\n\r\n"],
        &["POST / <broken>"],
    ),
    h1(
        "9112 7.1",
        "a size of 2^64 - 1",
        &[CHUNKED, b"ffffffffffffffff\r\nabc\r\n0\r\n\r\n"],
        &[],
        Waits,
        &["POST / abc\\r\\n0\\r\\n\\r\\n <more>"],
    ),
    broken(
        "9112 7.1",
        "data that is longer than its size",
        &[CHUNKED, b"2\r\nabc\r\n0\r\n\r\n"],
        &["POST / ab <broken>"],
    ),
    broken(
        "9112 7.1",
        "data that is shorter than its size",
        &[CHUNKED, b"4\r\nabc\r\n0\r\n\r\n"],
        &["POST / abc\\r <broken>"],
    ),
    broken(
        "9112 7.1",
        "no line end after data",
        &[CHUNKED, b"3\r\nabc0\r\n\r\n"],
        &["POST / abc <broken>"],
    ),
    broken("9112 7.1", "LF after a size", &[CHUNKED, b"3\nabc\r\n0\r\n\r\n"], &["POST / <broken>"]),
    broken("9112 7.1", "CR after a size", &[CHUNKED, b"3\rabc\r\n0\r\n\r\n"], &["POST / <broken>"]),
    broken(
        "9112 7.1",
        "LF after data",
        &[CHUNKED, b"3\r\nabc\n0\r\n\r\n"],
        &["POST / abc <broken>"],
    ),
    h1("9112 7.1", "no end", &[CHUNKED, b"3\r\nabc\r\n0\r\n"], &[], Waits, &["POST / abc <more>"]),
    served(
        "9112 7.1.1",
        "an extension",
        &[CHUNKED, b"3;a=b;c\r\nabc\r\n0;d\r\n\r\n"],
        &["POST / abc"],
    ),
    served(
        "9112 7.1.1",
        "an extension in quotes",
        &[CHUNKED, b"3;a=\"b;c\"\r\nabc\r\n0\r\n\r\n"],
        &["POST / abc"],
    ),
    served(
        "9112 7.1.1",
        "space before an extension",
        &[CHUNKED, b"3 ; a\r\nabc\r\n0\r\n\r\n"],
        &["POST / abc"],
    ),
    served(
        "9112 7.1.1",
        "an extension without a name",
        &[CHUNKED, b"3;\r\nabc\r\n0\r\n\r\n"],
        &["POST / abc"],
    )
    .gap(Gap::Parser("it is not in the grammar; hyper passes over all up to CR LF")),
    served(
        "9112 7.1.1",
        "CTL in an extension",
        &[CHUNKED, b"3;a\x01\0\x7f\r\nabc\r\n0\r\n\r\n"],
        &["POST / abc"],
    )
    .gap(Gap::Parser("it is not in the grammar; hyper passes over all up to CR LF")),
    served(
        "9112 7.1.1",
        "quotes in an extension that do not end",
        &[CHUNKED, b"3;a=\"b\r\nabc\r\n0\r\n\r\n"],
        &["POST / abc"],
    )
    .gap(Gap::Parser("it is not in the grammar; hyper passes over all up to CR LF")),
    broken(
        "9112 7.1.1",
        "LF in an extension",
        &[CHUNKED, b"3;a\nabc\r\n0\r\n\r\n"],
        &["POST / <broken>"],
    ),
    broken(
        "9112 7.1.1",
        "CR in an extension",
        &[CHUNKED, b"3;a\rb\r\nabc\r\n0\r\n\r\n"],
        &["POST / <broken>"],
    ),
    broken(
        "9112 7.1.1",
        "an extension of 64 KiB",
        &[CHUNKED, b"3;", &[b'a'; 65_536], b"\r\nabc\r\n0\r\n\r\n"],
        &["POST / <broken>"],
    ),
    served(
        "9112 7.1.2",
        "a trailer",
        &[CHUNKED, b"3\r\nabc\r\n0\r\nx: y\r\n\r\n"],
        &["POST / abc +x=y"],
    ),
    served(
        "9110 6.5.1",
        "a length among the trailers changes nothing",
        &[CHUNKED, b"0\r\ncontent-length: 35\r\n\r\n"],
        &["POST / +content-length=35"],
    ),
    served(
        "9110 6.5.1",
        "a coding among the trailers changes nothing",
        &[CHUNKED, b"0\r\ntransfer-encoding: chunked\r\n\r\n"],
        &["POST / +transfer-encoding=chunked"],
    ),
    served(
        "9110 6.5.1",
        "a host among the trailers",
        &[CHUNKED, b"0\r\nhost: b\r\n\r\n"],
        &["POST / +host=b"],
    ),
    broken(
        "9112 5.1",
        "a space before the colon of a trailer",
        &[CHUNKED, b"0\r\nx : y\r\n\r\n"],
        &["POST / <broken>"],
    ),
    broken(
        "9112 5.2",
        "a trailer that goes on in the next line",
        &[CHUNKED, b"0\r\nx: y\r\n z\r\n\r\n"],
        &["POST / <broken>"],
    ),
    broken("9110 5.5", "NUL in a trailer", &[CHUNKED, b"0\r\nx: \0\r\n\r\n"], &["POST / <broken>"]),
    broken(
        "9112 7.1.2",
        "two trailers with LF between",
        &[CHUNKED, b"0\r\nx: y\nz: w\r\n\r\n"],
        &["POST / <broken>"],
    ),
    served(
        "9112 7.1.2",
        "an empty line by LF among the trailers",
        &[CHUNKED, b"0\r\nx: y\n\r\n", HIDDEN],
        &["POST / +x=y"],
    )
    .gap(Gap::Parser("it is not in the grammar; hyper takes all up to CR LF CR LF for trailers")),
    served("9112 7.1", "LF after the last chunk", &[CHUNKED, b"0\r\n\n", HIDDEN], &["POST /"]).gap(
        Gap::Parser("it is not in the grammar; hyper takes all up to CR LF CR LF for trailers"),
    ),
    broken(
        "6585 5",
        "a trailer of 17 KiB",
        &[CHUNKED, b"0\r\nx: ", &[b'y'; 17_408], b"\r\n\r\n"],
        &["POST / <broken>"],
    ),
];

const SMUGGLING: &[Http1] = &[
    last(
        "9112 6.3",
        "a length that covers a request, and chunked: chunked counts",
        &[POST, b"content-length: 40\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", HIDDEN],
        &["POST /"],
    ),
    last(
        "9112 6.3",
        "the same, chunked first",
        &[POST, b"transfer-encoding: chunked\r\ncontent-length: 40\r\n\r\n0\r\n\r\n", HIDDEN],
        &["POST /"],
    ),
    last(
        "9112 6.3",
        "a short length, and a request in a chunk",
        &[
            POST,
            b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n23\r\n",
            HIDDEN,
            b"\r\n0\r\n\r\n",
        ],
        &[r"POST / GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n"],
    ),
    refused(
        "9112 6.3",
        "a wrong length, and chunked",
        &[POST, b"content-length: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", HIDDEN],
    ),
    last(
        "9112 6.3",
        "chunked, and a wrong length",
        &[POST, b"transfer-encoding: chunked\r\ncontent-length: x\r\n\r\n0\r\n\r\n", HIDDEN],
        &["POST /"],
    ),
    last(
        "9112 6.3",
        "chunked, and two lengths that differ",
        &[
            POST,
            b"transfer-encoding: chunked\r\ncontent-length: 0\r\ncontent-length: 40\r\n\r\n",
            b"0\r\n\r\n",
            HIDDEN,
        ],
        &["POST /"],
    ),
    refused(
        "9112 6.3",
        "a length, and a coding that is none",
        &[POST, b"content-length: 35\r\ntransfer-encoding: xchunked\r\n\r\n", HIDDEN],
    ),
    refused(
        "9112 6.3",
        "a length, and chunked twice",
        &[
            POST,
            b"content-length: 40\r\ntransfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
            b"\r\n0\r\n\r\n",
            HIDDEN,
        ],
    ),
    refused(
        "9112 6.3",
        "two lengths, of which one hides a request",
        &[POST, b"content-length: 0\r\ncontent-length: 35\r\n\r\n", HIDDEN],
    ),
    refused("9112 6.3", "the same as a list", &[POST, b"content-length: 0, 35\r\n\r\n", HIDDEN]),
    refused(
        "9112 5.1",
        "`Transfer-Encoding :`, and a length",
        &[POST, b"content-length: 35\r\nTransfer-Encoding : chunked\r\n\r\n", HIDDEN],
    ),
    served(
        "9112 6.3",
        "`Transfer_Encoding` is no coding",
        &[POST, b"content-length: 35\r\nTransfer_Encoding: chunked\r\n\r\n", HIDDEN],
        &[r"POST / GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n"],
    ),
    refused(
        "9110 5.1",
        "`Transfer-Encoding` with NUL, and a length",
        &[POST, b"content-length: 35\r\nTransfer-Encoding\0: chunked\r\n\r\n", HIDDEN],
    ),
    refused(
        "9112 5.2",
        "a coding in a line that begins by space",
        &[POST, b"content-length: 35\r\nx: y\r\n Transfer-Encoding: chunked\r\n\r\n", HIDDEN],
    ),
    refused(
        "9112 2.2",
        "a coding after CR",
        &[POST, b"content-length: 35\r\nx: y\rTransfer-Encoding: chunked\r\n\r\n", HIDDEN],
    ),
    last(
        "9112 2.2",
        "a coding after LF is one",
        &[POST, b"content-length: 40\r\nx: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", HIDDEN],
        &["POST / x=y"],
    ),
    h1(
        "9112 2.2",
        "LF LF ends a head: what follows is the next request",
        &[b"GET / HTTP/1.1\r\nhost: a\r\n\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\n"],
        &[200, 200],
        Open,
        &["GET /", "GET /2"],
    ),
    broken(
        "9112 7.1",
        "a request after a chunk that is broken",
        &[CHUNKED, b"zz\r\n\r\n", HIDDEN],
        &["POST / <broken>"],
    ),
    broken(
        "9112 7.1.1",
        "a request in an extension",
        &[CHUNKED, b"3;a=\nabc\r\n0\r\n\r\n", HIDDEN],
        &["POST / <broken>"],
    ),
    broken(
        "9112 7.1",
        "a request after data that is too long",
        &[CHUNKED, b"2\r\nabc\r\n0\r\n\r\n", HIDDEN],
        &["POST / ab <broken>"],
    ),
    broken(
        "9112 7.1.2",
        "a request among the trailers",
        &[CHUNKED, b"0\r\n", HIDDEN],
        &["POST / <broken>"],
    ),
    served(
        "9112 6.3",
        "a body that looks like a request",
        &[POST, b"content-length: 35\r\n\r\n", HIDDEN],
        &[r"POST / GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n"],
    ),
    served(
        "9112 9.3",
        "the same, which the service does not read",
        &[b"POST /unread HTTP/1.1\r\nhost: a\r\ncontent-length: 35\r\n\r\n", HIDDEN],
        &["POST /unread <unread>"],
    )
    .sent(Pace::AtOnce),
    last(
        "9112 9.3",
        "the same, which the service does not read",
        &[b"POST /unread HTTP/1.1\r\nhost: a\r\ncontent-length: 35\r\n\r\n", HIDDEN],
        &["POST /unread <unread>"],
    )
    .sent(Pace::ByteByByte),
    served(
        "9112 9.3",
        "the same in a chunk",
        &[
            b"POST /unread HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n23\r\n",
            HIDDEN,
            b"\r\n0\r\n\r\n",
        ],
        &["POST /unread <unread>"],
    )
    .sent(Pace::AtOnce),
    last(
        "9112 9.3",
        "the same in a chunk",
        &[
            b"POST /unread HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n23\r\n",
            HIDDEN,
            b"\r\n0\r\n\r\n",
        ],
        &["POST /unread <unread>"],
    )
    .sent(Pace::ByteByByte),
    last(
        "9112 9.3",
        "the same after a broken chunk",
        &[b"POST /unread HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", HIDDEN],
        &["POST /unread <unread>"],
    ),
    served(
        "9110 9.3.1",
        "a body of a GET that looks like a request",
        &[GET, b"content-length: 35\r\n\r\n", HIDDEN],
        &[r"GET / GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n"],
    ),
    served(
        "9110 9.3.2",
        "a body of a HEAD that looks like a request",
        &[b"HEAD / HTTP/1.1\r\nhost: a\r\ncontent-length: 35\r\n\r\n", HIDDEN],
        &[r"HEAD / GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n"],
    ),
    refused(
        "9112 3.2",
        "a request after one that is refused for its host",
        &[b"POST / HTTP/1.1\r\nhost: a, b\r\ncontent-length: 35\r\n\r\n", HIDDEN],
    ),
    refused(
        "9112 2.2",
        "a request after one that is refused by the parser",
        &[b"GET / HTTP/1.1\r\nx : y\r\n\r\n", HIDDEN],
    ),
    h1(
        "9110 15.5.14",
        "a request in a body that is too large",
        &[POST, b"content-length: 30000001\r\n\r\n", HIDDEN],
        &[413],
        Closed,
        &[],
    ),
    h1(
        "9112 3",
        "a request after a line that is too long",
        &[b"GET /", &[b'x'; 8999], b" HTTP/1.1\r\nhost: a\r\n\r\n", HIDDEN],
        &[414],
        Closed,
        &[],
    ),
    h1(
        "9110 7.8",
        "a request after an upgrade that nobody wants is a request",
        &[
            GET,
            b"connection: upgrade\r\nupgrade: websocket\r\ncontent-length: 3\r\n\r\nabc",
            b"GET /2 HTTP/1.1\r\nhost: a\r\n\r\n",
        ],
        &[200, 200],
        Open,
        &["GET / abc", "GET /2"],
    ),
];

const CONNECTIONS: &[Http1] = &[
    h1(
        "9112 9.3.2",
        "three requests at once are answered in their order",
        &[
            b"GET /1 HTTP/1.1\r\nhost: a\r\n\r\n",
            b"POST /2 HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab",
            b"GET /3 HTTP/1.1\r\nhost: a\r\n\r\n",
        ],
        &[200, 200, 200],
        Open,
        &["GET /1", "POST /2 ab", "GET /3"],
    ),
    h1(
        "9112 9.3.2",
        "empty lines between requests",
        &[GET, b"\r\n\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\n"],
        &[200, 200],
        Open,
        &["GET /", "GET /2"],
    ),
    h1(
        "9112 9.3.2",
        "a request, and one that is none",
        &[GET, b"\r\nx\r\n\r\n"],
        &[200, 400],
        Closed,
        &["GET /"],
    ),
    last("9112 9.6", "close", &[GET, b"connection: close\r\n\r\n"], &["GET /"]),
    last("9112 9.6", "close in a list", &[GET, b"connection: x, Close\r\n\r\n"], &["GET /"]),
    last(
        "9112 9.6",
        "close after keep-alive",
        &[GET, b"connection: keep-alive\r\nconnection: close\r\n\r\n"],
        &["GET /"],
    ),
    last(
        "9112 9.6",
        "close before keep-alive",
        &[GET, b"connection: close\r\nconnection: keep-alive\r\n\r\n"],
        &["GET /"],
    ),
    last(
        "9112 9.6",
        "a request after close",
        &[GET, b"connection: close\r\n\r\n", HIDDEN],
        &["GET /"],
    ),
    served(
        "9112 9.3",
        "HTTP/1.0 with keep-alive",
        &[b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n"],
        &["GET /"],
    ),
    last(
        "9112 9.3",
        "a request after one of HTTP/1.0",
        &[b"GET / HTTP/1.0\r\n\r\n", HIDDEN],
        &["GET /"],
    ),
    served(
        "9112 C.2.2",
        "proxy-connection means nothing",
        &[GET, b"proxy-connection: close\r\n\r\n"],
        &["GET /"],
    ),
    h1(
        "9110 10.1.1",
        "100-continue, and the body is waited for",
        &[POST, b"expect: 100-continue\r\ncontent-length: 300\r\n\r\n"],
        &[100],
        Waits,
        &["POST / <more>"],
    ),
    h1(
        "9110 10.1.1",
        "100-continue in other letters",
        &[POST, b"Expect: 100-Continue\r\ncontent-length: 300\r\n\r\n"],
        &[100],
        Waits,
        &["POST / <more>"],
    ),
    served(
        "9110 10.1.1",
        "100-continue without a body",
        &[POST, b"expect: 100-continue\r\n\r\n"],
        &["POST /"],
    ),
    h1(
        "9110 10.1.1",
        "100-continue in HTTP/1.0",
        &[b"POST / HTTP/1.0\r\nexpect: 100-continue\r\ncontent-length: 300\r\n\r\n"],
        &[],
        Waits,
        &["POST / <more>"],
    ),
    h1(
        "9110 10.1.1",
        "100-continue for a body that is too large",
        &[POST, b"expect: 100-continue\r\ncontent-length: 30000001\r\n\r\n"],
        &[413],
        Closed,
        &[],
    ),
    last(
        "9110 10.1.1",
        "100-continue, and the service does not read",
        &[
            b"POST /unread HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n",
            b"content-length: 300\r\n\r\n",
        ],
        &["POST /unread <unread>"],
    ),
    served(
        "9110 10.1.1",
        "an expectation that nobody knows (417 MAY)",
        &[POST, b"expect: x\r\ncontent-length: 3\r\n\r\nabc"],
        &["POST / abc"],
    ),
    served(
        "9113 3.1",
        "an upgrade to h2c is ignored",
        &[
            GET,
            b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAA\r\n\r\n",
        ],
        &["GET /"],
    ),
    last(
        "9110 7.8",
        "an upgrade in HTTP/1.0 is ignored",
        &[b"GET / HTTP/1.0\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"],
        &["GET /"],
    ),
    served(
        "9110 9.3.8",
        "TRACE is the service's",
        &[b"TRACE / HTTP/1.1\r\nhost: a\r\n\r\n"],
        &["TRACE /"],
    ),
    h1("9112 8", "the begin of a head", &[GET], &[], Waits, &[]),
];

// ----- HTTP/2

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const ACK: u8 = 0x1;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const WITH_PRIORITY: u8 = 0x20;
const WHOLE: u8 = END_STREAM | END_HEADERS;

const NO_ERROR: u32 = 0;
const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE_ERROR: u32 = 6;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

type Fields<'a> = &'a [(&'a str, &'a str)];

const LEAST: Fields<'_> =
    &[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// An integer of HPACK, whose first byte has other bits too (RFC 7541, 5.1).
fn integer(first: u8, bits: u32, value: usize) -> Vec<u8> {
    let most = (1 << bits) - 1;
    if value < most {
        return vec![first | u8::try_from(value).unwrap()];
    }
    let (mut bytes, mut rest) = (vec![first | u8::try_from(most).unwrap()], value - most);
    while rest > 127 {
        bytes.push(u8::try_from(rest & 127).unwrap() | 128);
        rest >>= 7;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

fn string(text: &[u8]) -> Vec<u8> {
    [integer(0, 7, text.len()), text.to_vec()].concat()
}

/// A field as a literal, by a new name, that no table keeps.
fn field(name: &[u8], value: &[u8]) -> Vec<u8> {
    [&[0][..], &string(name), &string(value)].concat()
}

fn block(fields: Fields<'_>) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| field(name.as_bytes(), value.as_bytes())).collect()
}

fn headers(stream: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    frame(HEADERS, flags, stream, block)
}

/// A request without a body, of exactly these fields.
fn exactly(fields: Fields<'_>) -> Vec<Vec<u8>> {
    vec![headers(1, WHOLE, &block(fields))]
}

/// The same, of what each must have and these.
fn with(fields: Fields<'_>) -> Vec<Vec<u8>> {
    exactly(&[LEAST, fields].concat())
}

/// The same, and these bytes of HPACK.
fn with_block(rest: &[u8]) -> Vec<Vec<u8>> {
    vec![headers(1, WHOLE, &[&block(LEAST), rest].concat())]
}

/// The head of a request with a body.
fn post(stream: u32, path: &str, fields: Fields<'_>) -> Vec<u8> {
    let least = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "a")];
    headers(stream, END_HEADERS, &block(&[&least, fields].concat()))
}

fn get(stream: u32, path: &str) -> Vec<u8> {
    let least = [(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "a")];
    headers(stream, WHOLE, &block(&least))
}

fn setting(id: u16, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

fn window(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

/// A method, a scheme, a path and an authority, each once, in these bytes.
fn raw(method: &[u8], scheme: &[u8], path: &[u8], authority: &[u8]) -> Vec<Vec<u8>> {
    let fields = [
        field(b":method", method),
        field(b":scheme", scheme),
        field(b":path", path),
        field(b":authority", authority),
    ];
    vec![headers(1, WHOLE, &fields.concat())]
}

const HTTP2: &[(&str, &[Http2])] = &[
    ("HTTP/2: preface and frames", FRAMES),
    ("HTTP/2: streams", STREAMS),
    ("HTTP/2: settings, pings and windows", CONTROL),
    ("HTTP/2: requests", REQUESTS),
    ("HPACK", HPACK),
    ("HTTP/2: too much of it", FLOODS),
];

const FRAMES: &[Http2] = &[
    answered("9113 3.4", "a request", || vec![get(1, "/")], &["GET /"]),
    h2(
        "9113 3.4",
        "a preface that is wrong at its end",
        || vec![b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX".to_vec(), frame(SETTINGS, 0, 0, &[])],
        &[Text(400)],
        Closed,
        &[],
    )
    .bare(),
    h2(
        "9113 3.4",
        "a preface in small letters",
        || vec![b"pri * http/2.0\r\n\r\nsm\r\n\r\n".to_vec()],
        &[Text(400)],
        Closed,
        &[],
    )
    .bare(),
    h2(
        "9113 3.4",
        "no preface",
        || vec![frame(SETTINGS, 0, 0, &[]), get(1, "/")],
        &[Text(400)],
        Closed,
        &[],
    )
    .bare(),
    answered(
        "9113 3.4",
        "a request before the first SETTINGS",
        || vec![PREFACE.to_vec(), get(1, "/")],
        &["GET /"],
    )
    .gap(FIRST)
    .bare(),
    h2(
        "9113 3.4",
        "PING before the first SETTINGS",
        || vec![PREFACE.to_vec(), frame(PING, 0, 0, &[0; 8])],
        &[Pong(0)],
        Open,
        &[],
    )
    .gap(FIRST)
    .bare(),
    answered(
        "9113 4.1",
        "a type that nobody knows",
        || vec![frame(0xfe, 0xff, 0, b"abc"), frame(0xfe, 0, 7, b""), get(1, "/")],
        &["GET /"],
    ),
    answered(
        "9113 4.1",
        "flags that nobody knows",
        || vec![headers(1, WHOLE | 0xd2, &block(LEAST))],
        &["GET /"],
    ),
    answered(
        "9113 4.1",
        "the bit before a stream is ignored",
        || vec![headers(0x8000_0001, WHOLE, &block(LEAST))],
        &["GET /"],
    ),
    h2(
        "9113 4.2",
        "DATA of 16,384 bytes",
        || vec![post(1, "/unread", &[]), frame(DATA, END_STREAM, 1, &[b'x'; 16_384])],
        &[Reply(1, 200), Reset(1, NO_ERROR)],
        Open,
        &["POST /unread <unread>"],
    ),
    h2(
        "9113 4.2",
        "DATA of 16,385 bytes",
        || vec![post(1, "/hold", &[]), frame(DATA, END_STREAM, 1, &[b'x'; 16_385])],
        &[GoAway(FRAME_SIZE_ERROR)],
        Closed,
        &["POST /hold <held>"],
    ),
    h2(
        "9113 4.2",
        "a type that nobody knows, of 16,385 bytes",
        || vec![frame(0xfe, 0, 0, &[0; 16_385])],
        &[GoAway(FRAME_SIZE_ERROR)],
        Closed,
        &[],
    ),
    goaway("9113 6.1", "DATA on stream 0", || vec![frame(DATA, 0, 0, b"a")], &[]),
    answered(
        "9113 6.1",
        "DATA with padding",
        || vec![post(1, "/", &[]), frame(DATA, END_STREAM | PADDED, 1, b"\x02abc\0\0")],
        &["POST / abc"],
    ),
    goaway(
        "9113 6.1",
        "DATA with as much padding as there is",
        || vec![post(1, "/", &[]), frame(DATA, END_STREAM | PADDED, 1, b"\x06abc\0\0")],
        &["POST / <broken>"],
    ),
    goaway(
        "9113 6.1",
        "DATA with padding and no byte for its length",
        || vec![post(1, "/", &[]), frame(DATA, END_STREAM | PADDED, 1, b"")],
        &["POST / <broken>"],
    )
    .gap(SIZE),
    goaway("9113 6.2", "HEADERS on stream 0", || vec![headers(0, WHOLE, &block(LEAST))], &[]),
    answered(
        "9113 6.2",
        "HEADERS with padding",
        || vec![headers(1, WHOLE | PADDED, &[&[2], &*block(LEAST), &[0, 0]].concat())],
        &["GET /"],
    ),
    goaway(
        "9113 6.2",
        "HEADERS with too much padding",
        || vec![headers(1, WHOLE | PADDED, &[&[255], &*block(LEAST)].concat())],
        &[],
    ),
    answered(
        "9113 6.2",
        "HEADERS with a priority",
        || vec![headers(1, WHOLE | WITH_PRIORITY, &[&[0, 0, 0, 3, 9], &*block(LEAST)].concat())],
        &["GET /"],
    ),
    goaway(
        "9113 6.2",
        "HEADERS with a part of a priority",
        || vec![headers(1, WHOLE | WITH_PRIORITY, &[0, 0, 0])],
        &[],
    )
    .gap(SIZE),
    reset(
        "9113 5.3.2",
        "HEADERS that depend on themselves",
        || vec![headers(1, WHOLE | WITH_PRIORITY, &[&[0, 0, 0, 1, 9], &*block(LEAST)].concat())],
        &[],
    )
    .gap(Gap::Parser("a priority means nothing any more; h2 keeps the rule of RFC 7540")),
    answered(
        "9113 6.3",
        "PRIORITY, of a stream that is not open",
        || vec![frame(PRIORITY, 0, 9, &[0, 0, 0, 3, 9]), get(1, "/")],
        &["GET /"],
    ),
    goaway(
        "9113 6.3",
        "PRIORITY on stream 0",
        || vec![frame(PRIORITY, 0, 0, &[0, 0, 0, 3, 9])],
        &[],
    ),
    goaway(
        "9113 6.3",
        "PRIORITY of 4 bytes",
        || vec![get(1, "/hold"), frame(PRIORITY, 0, 1, &[0, 0, 0, 3])],
        &["GET /hold <held>"],
    )
    .gap(SIZE),
    goaway(
        "9113 6.6",
        "PUSH_PROMISE of a client",
        || {
            let promise = [&[0, 0, 0, 2], &*block(LEAST)].concat();
            vec![get(1, "/hold"), frame(PUSH_PROMISE, END_HEADERS, 1, &promise)]
        },
        &["GET /hold <held>"],
    ),
    goaway("9113 6.8", "GOAWAY on a stream", || vec![frame(GOAWAY, 0, 1, &[0; 8])], &[]),
    goaway("9113 6.8", "GOAWAY without a code", || vec![frame(GOAWAY, 0, 0, &[0; 4])], &[])
        .gap(SIZE),
    answered(
        "9113 6.10",
        "a head in three frames",
        || {
            let block = block(LEAST);
            vec![
                headers(1, END_STREAM, &block[..5]),
                frame(CONTINUATION, 0, 1, &block[5..9]),
                frame(CONTINUATION, END_HEADERS, 1, &block[9..]),
            ]
        },
        &["GET /"],
    ),
    goaway(
        "9113 6.10",
        "CONTINUATION without HEADERS",
        || vec![frame(CONTINUATION, END_HEADERS, 1, &block(LEAST))],
        &[],
    ),
    goaway(
        "9113 6.10",
        "CONTINUATION after the end of a head",
        || vec![get(1, "/hold"), frame(CONTINUATION, END_HEADERS, 1, &[])],
        &["GET /hold <held>"],
    ),
    goaway(
        "9113 6.10",
        "CONTINUATION of another stream",
        || vec![headers(1, END_STREAM, &block(LEAST)), frame(CONTINUATION, END_HEADERS, 3, &[])],
        &[],
    ),
    goaway(
        "9113 6.10",
        "CONTINUATION on stream 0",
        || vec![headers(1, END_STREAM, &block(LEAST)), frame(CONTINUATION, END_HEADERS, 0, &[])],
        &[],
    ),
    goaway(
        "9113 6.2",
        "a request amid a head",
        || vec![headers(1, END_STREAM, &block(LEAST)), get(3, "/smuggled")],
        &[],
    ),
    goaway(
        "9113 6.2",
        "PING amid a head",
        || vec![headers(1, END_STREAM, &block(LEAST)), frame(PING, 0, 0, &[0; 8])],
        &[],
    ),
    goaway(
        "9113 6.2",
        "a type that nobody knows amid a head",
        || vec![headers(1, END_STREAM, &block(LEAST)), frame(0xfe, 0, 1, &[])],
        &[],
    ),
    h2(
        "9113 6.10",
        "the begin of a head",
        || vec![headers(1, END_STREAM, &block(LEAST))],
        &[],
        Waits,
        &[],
    ),
];

const STREAMS: &[Http2] = &[
    goaway("9113 5.1.1", "an even stream", || vec![get(2, "/")], &[]),
    goaway(
        "9113 5.1.1",
        "a stream below the last",
        || vec![get(5, "/hold"), get(3, "/")],
        &["GET /hold <held>"],
    ),
    h2(
        "9113 5.1.1",
        "streams may be left out",
        || vec![get(5, "/5"), get(99, "/99")],
        &[Reply(5, 200), Reply(99, 200)],
        Open,
        &["GET /5", "GET /99"],
    ),
    h2(
        "9113 5.1.2",
        "more streams than may be open",
        || (0..201).map(|n| get(2 * n + 1, "/hold")).collect(),
        &[Reset(401, REFUSED_STREAM)],
        Waits,
        &[MANY],
    ),
    goaway(
        "9113 5.1",
        "DATA of a stream that is not open",
        || vec![frame(DATA, 0, 1, b"abc")],
        &[],
    ),
    goaway(
        "9113 5.1",
        "DATA after the end of a request",
        || vec![get(1, "/hold"), frame(DATA, END_STREAM, 1, b"abc")],
        &["GET /hold <held>"],
    )
    .gap(CLOSED),
    goaway(
        "9113 5.1",
        "a head after the end of a request",
        || vec![get(1, "/hold"), get(1, "/smuggled")],
        &["GET /hold <held>"],
    )
    .gap(CLOSED),
    h2(
        "9113 5.1",
        "a head after the reply",
        || vec![get(1, "/"), get(1, "/smuggled")],
        &[Reply(1, 200), GoAway(PROTOCOL_ERROR)],
        Closed,
        &["GET /"],
    ),
    h2(
        "9113 5.1",
        "DATA after the reply",
        || vec![get(1, "/"), frame(DATA, END_STREAM, 1, b"abc")],
        &[Reply(1, 200), Reset(1, STREAM_CLOSED)],
        Open,
        &["GET /"],
    ),
    goaway(
        "9113 5.1",
        "a head after RST_STREAM",
        || vec![get(1, "/hold"), frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]), get(1, "/smuggled")],
        &["GET /hold <held>"],
    ),
    h2(
        "9113 5.1",
        "DATA after RST_STREAM",
        || {
            let reset = frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]);
            vec![post(1, "/hold", &[]), reset, frame(DATA, END_STREAM, 1, b"abc")]
        },
        &[Reset(1, STREAM_CLOSED)],
        Open,
        &["POST /hold <held>"],
    ),
    h2(
        "9113 5.1",
        "windows and resets of a stream that is over",
        || vec![get(1, "/"), window(1, 1), frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]), get(3, "/3")],
        &[Reply(1, 200), Reply(3, 200)],
        Open,
        &["GET /", "GET /3"],
    ),
    goaway(
        "9113 6.4",
        "RST_STREAM of a stream that is not open",
        || vec![frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])],
        &[],
    ),
    goaway(
        "9113 6.4",
        "RST_STREAM on stream 0",
        || vec![frame(RST_STREAM, 0, 0, &[0, 0, 0, 8])],
        &[],
    ),
    goaway(
        "9113 6.4",
        "RST_STREAM of 3 bytes",
        || vec![get(1, "/hold"), frame(RST_STREAM, 0, 1, &[0, 0, 8])],
        &["GET /hold <held>"],
    )
    .gap(SIZE),
    h2(
        "9113 6.4",
        "a request that its client resets",
        || vec![post(1, "/", &[]), frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]), get(3, "/3")],
        &[Reply(3, 200)],
        Open,
        &["POST / <broken>", "GET /3"],
    ),
    h2(
        "9113 6.8",
        "requests before GOAWAY are answered",
        || {
            vec![
                post(1, "/", &[]),
                frame(GOAWAY, 0, 0, &[0; 8]),
                frame(DATA, END_STREAM, 1, b"abc"),
            ]
        },
        &[Reply(1, 200), GoAway(NO_ERROR)],
        Closed,
        &["POST / abc"],
    ),
];

/// Requests that are too many to be listed.
const MANY: &str = "200 times GET /hold <held>";

const CONTROL: &[Http2] = &[
    h2(
        "9113 6.5.3",
        "SETTINGS are acknowledged",
        || vec![frame(SETTINGS, 0, 0, &[])],
        &[Ack],
        Open,
        &[],
    ),
    h2("9113 6.5.2", "a setting that nobody knows", || vec![setting(0xf0f0, 1)], &[Ack], Open, &[]),
    goaway(
        "9113 6.5",
        "an acknowledgement with a setting",
        || vec![frame(SETTINGS, ACK, 0, &[0, 4, 0, 0, 0, 1])],
        &[],
    )
    .gap(SIZE),
    goaway("9113 6.5", "SETTINGS on a stream", || vec![frame(SETTINGS, 0, 1, &[])], &[]),
    goaway("9113 6.5", "SETTINGS of 5 bytes", || vec![frame(SETTINGS, 0, 0, &[0; 5])], &[])
        .gap(SIZE),
    goaway("9113 6.5.2", "ENABLE_PUSH of 2", || vec![setting(2, 2)], &[]),
    goaway("9113 6.5.2", "INITIAL_WINDOW_SIZE of 2^31", || vec![setting(4, 1 << 31)], &[])
        .gap(Gap::Parser("the code MUST be FLOW_CONTROL_ERROR")),
    goaway("9113 6.5.2", "MAX_FRAME_SIZE of 16,383", || vec![setting(5, 16_383)], &[]),
    goaway("9113 6.5.2", "MAX_FRAME_SIZE of 2^24", || vec![setting(5, 1 << 24)], &[]),
    h2(
        "9113 6.7",
        "PING is answered by its bytes",
        || vec![frame(PING, 0, 0, &0x0123_4567_89ab_cdef_u64.to_be_bytes())],
        &[Pong(0x0123_4567_89ab_cdef)],
        Open,
        &[],
    ),
    h2("9113 6.7", "an answer to no PING", || vec![frame(PING, ACK, 0, &[7; 8])], &[], Open, &[]),
    goaway("9113 6.7", "PING of 7 bytes", || vec![frame(PING, 0, 0, &[0; 7])], &[]).gap(SIZE),
    goaway("9113 6.7", "PING on a stream", || vec![frame(PING, 0, 1, &[0; 8])], &[]),
    goaway("9113 6.9", "WINDOW_UPDATE by 0", || vec![window(0, 0)], &[]),
    goaway(
        "9113 6.9",
        "WINDOW_UPDATE of a stream by 0",
        || vec![get(1, "/hold"), window(1, 0)],
        &["GET /hold <held>"],
    ),
    goaway("9113 6.9", "WINDOW_UPDATE of a stream that is not open", || vec![window(1, 1)], &[]),
    goaway(
        "9113 6.9",
        "WINDOW_UPDATE of 3 bytes",
        || vec![frame(WINDOW_UPDATE, 0, 0, &[0, 0, 1])],
        &[],
    )
    .gap(SIZE),
    h2(
        "9113 6.9.1",
        "a window above 2^31 - 1",
        || vec![window(0, (1 << 31) - 1)],
        &[GoAway(FLOW_CONTROL_ERROR)],
        Closed,
        &[],
    ),
    h2(
        "9113 6.9.1",
        "a window of a stream above 2^31 - 1",
        || vec![get(1, "/hold"), window(1, (1 << 31) - 1)],
        &[Reset(1, FLOW_CONTROL_ERROR)],
        Open,
        &["GET /hold <held>"],
    ),
    h2(
        "9113 6.9.2",
        "a window of a stream above 2^31 - 1, by SETTINGS",
        || vec![get(1, "/hold"), window(1, (1 << 31) - 1 - 65_535), setting(4, 65_536)],
        &[Ack, GoAway(FLOW_CONTROL_ERROR)],
        Closed,
        &["GET /hold <held>"],
    ),
    h2(
        "9113 6.9.2",
        "a reply waits for a window",
        || vec![setting(4, 0), get(1, "/")],
        &[Ack, Reply(1, 200), Unfinished(1)],
        Open,
        &["GET /"],
    ),
    h2(
        "9113 6.9.2",
        "and goes on when there is one",
        || vec![setting(4, 0), get(1, "/"), window(1, 9), setting(4, 9)],
        &[Ack, Reply(1, 200), Ack],
        Open,
        &["GET /"],
    ),
    h2(
        "9113 6.9.1",
        "more DATA than there is a window for before SETTINGS are acknowledged",
        || {
            let data = (0..4).map(|_| frame(DATA, 0, 1, &[b'x'; 16_384]));
            [post(1, "/hold", &[])].into_iter().chain(data).collect()
        },
        &[Reset(1, FLOW_CONTROL_ERROR)],
        Open,
        &["POST /hold <held>"],
    ),
];

const REQUESTS: &[Http2] = &[
    answered(
        "9113 8.1",
        "a body and trailers",
        || {
            let body = frame(DATA, 0, 1, b"abc");
            vec![post(1, "/", &[]), body, headers(1, WHOLE, &block(&[("x", "y")]))]
        },
        &["POST / abc +x=y"],
    ),
    reset(
        "9113 8.1",
        "trailers that do not end the stream",
        || vec![post(1, "/", &[]), headers(1, END_HEADERS, &block(&[("x", "y")]))],
        &["POST / <broken>"],
    ),
    answered(
        "9113 8.1",
        "a second head before the end",
        || vec![post(1, "/", &[]), get(1, "/smuggled")],
        &["POST /"],
    )
    .gap(TRAILERS),
    reset(
        "9113 8.3.1",
        "no :method",
        || exactly(&[(":scheme", "http"), (":path", "/"), (":authority", "a")]),
        &[],
    ),
    reset(
        "9113 8.3.1",
        "no :scheme",
        || exactly(&[(":method", "GET"), (":path", "/"), (":authority", "a")]),
        &[],
    ),
    reset(
        "9113 8.3.1",
        "no :path",
        || exactly(&[(":method", "GET"), (":scheme", "http"), (":authority", "a")]),
        &[],
    ),
    reset("9113 8.3.1", "an empty :path", || raw(b"GET", b"http", b"", b"a"), &[]),
    reset("9113 8.3.1", "a :path without a slash", || raw(b"GET", b"http", b"x", b"a"), &[]),
    turned("9113 8.3.1", "a :path of `*`, which no service asked for", || {
        raw(b"OPTIONS", b"http", b"*", b"a")
    }),
    reset(
        "9113 8.3.1",
        "a :path in the absolute form",
        || raw(b"GET", b"http", b"http://b/", b"a"),
        &[],
    ),
    reset(
        "9113 8.3.1",
        "a request line in :path",
        || raw(b"GET", b"http", b"/ HTTP/1.1\r\nhost: b\r\n\r\nGET /smuggled", b"a"),
        &[],
    ),
    reset("9113 8.3.1", "a space in :path", || raw(b"GET", b"http", b"/a b", b"a"), &[]),
    turned("9113 8.3.1", "UTF-8 in :path, raw", || raw(b"GET", b"http", b"/\xc3\xa4", b"a")),
    turned("9113 8.3.1", r"`\`, quotes and braces in :path, raw", || {
        raw(b"GET", b"http", b"/\\{\"a\"}", b"a")
    }),
    turned("9113 8.3.1", "a percent in :path that begins nothing", || {
        raw(b"GET", b"http", b"/%zz%", b"a")
    }),
    answered(
        "9113 8.3.1",
        "a fragment in :path",
        || raw(b"GET", b"http", b"/a#b", b"a"),
        &["GET /a"],
    )
    .gap(Gap::Parser("it is malformed; the parser drops the fragment")),
    goaway(
        "9113 8.3.1",
        "a space in :method",
        || raw(b"GET /smuggled HTTP/1.1", b"http", b"/", b"a"),
        &[],
    ),
    answered(
        "9110 7.4",
        "a :scheme of https, without TLS",
        || raw(b"GET", b"https", b"/", b"a"),
        &["GET /"],
    )
    .gap(HTTPS),
    reset("9113 8.3.1", "a :scheme that is none", || raw(b"GET", b"ht tp", b"/", b"a"), &[]),
    turned("9113 8.3.1", "neither :authority nor host", || {
        exactly(&[(":method", "GET"), (":scheme", "http"), (":path", "/")])
    }),
    answered(
        "9113 8.3.1",
        "host in place of :authority",
        || exactly(&[(":method", "GET"), (":scheme", "http"), (":path", "/"), ("host", "a")]),
        &["GET /"],
    ),
    answered("9113 8.3.1", "host as :authority", || with(&[("host", "a")]), &["GET /"]),
    turned("9113 8.3.1", "host not as :authority", || with(&[("host", "b")])),
    turned("9113 8.3.1", "two hosts", || with(&[("host", "a"), ("host", "a")])),
    turned("9113 8.3.1", "a user in :authority", || raw(b"GET", b"http", b"/", b"u@a")),
    reset("9113 8.3.1", "an empty :authority", || raw(b"GET", b"http", b"/", b""), &[]),
    turned("9113 8.3.1", "a comma in :authority", || raw(b"GET", b"http", b"/", b"a,b")),
    reset("9113 8.3", "two of :path", || with(&[(":path", "/smuggled")]), &[]),
    reset("9113 8.3", "two of :method", || with(&[(":method", "GET")]), &[]),
    reset("9113 8.3", "two of :authority", || with(&[(":authority", "a")]), &[]),
    goaway("9113 8.3", "a pseudo-field that nobody knows", || with(&[(":x", "y")]), &[]),
    reset("9113 8.3", ":status in a request", || with(&[(":status", "200")]), &[]),
    reset(
        "9113 8.3",
        "a pseudo-field after a field",
        || {
            let least = [(":method", "GET"), (":scheme", "http"), (":authority", "a")];
            exactly(&[&least[..], &[("x", "y"), (":path", "/")]].concat())
        },
        &[],
    ),
    answered(
        "9113 8.3",
        "a pseudo-field among the trailers",
        || vec![post(1, "/", &[]), headers(1, WHOLE, &block(&[(":path", "/smuggled")]))],
        &["POST /"],
    )
    .gap(TRAILERS),
    turned("9113 8.5", "CONNECT", || exactly(&[(":method", "CONNECT"), (":authority", "a:443")])),
    reset("9113 8.5", "CONNECT with a :path", || raw(b"CONNECT", b"http", b"/", b"a:443"), &[]),
    reset(
        "8441 4",
        ":protocol, which the settings do not allow",
        || {
            let connect = [(":method", "CONNECT"), (":scheme", "http"), (":path", "/")];
            exactly(&[&connect[..], &[(":authority", "a"), (":protocol", "websocket")]].concat())
        },
        &[],
    ),
    goaway("9113 8.2.1", "a name in capital letters", || with(&[("X", "y")]), &[]),
    goaway("9113 8.2.1", "an empty name", || with(&[("", "y")]), &[]),
    goaway("9113 8.2.1", "a space in a name", || with(&[("x y", "z")]), &[]),
    goaway("9113 8.2.1", "a colon in a name", || with(&[("x:y", "z")]), &[]),
    goaway("9113 8.2.1", "NUL in a value", || with(&[("x", "a\0b")]), &[]),
    goaway(
        "9113 8.2.1",
        "CR LF in a value, and a coding",
        || with(&[("x", "a\r\ntransfer-encoding: chunked")]),
        &[],
    ),
    goaway("9113 8.2.1", "LF in a value", || with(&[("x", "a\nb")]), &[]),
    answered("9113 8.2.1", "space around a value", || with(&[("x", " y ")]), &["GET / x= y "])
        .gap(Gap::Parser("it MUST be malformed; h2 passes it on")),
    reset("9113 8.2.2", "connection", || with(&[("connection", "close")]), &[]),
    reset("9113 8.2.2", "keep-alive", || with(&[("keep-alive", "1")]), &[]),
    reset("9113 8.2.2", "proxy-connection", || with(&[("proxy-connection", "x")]), &[]),
    reset("9113 8.2.2", "upgrade", || with(&[("upgrade", "x")]), &[]),
    reset("9113 8.2.2", "transfer-encoding", || with(&[("transfer-encoding", "chunked")]), &[]),
    reset("9113 8.2.2", "te, and not of trailers", || with(&[("te", "gzip")]), &[]),
    answered("9113 8.2.2", "te of trailers", || with(&[("te", "trailers")]), &["GET /"]),
    answered(
        "9113 8.1.1",
        "the length of a body",
        || vec![post(1, "/", &[("content-length", "3")]), frame(DATA, END_STREAM, 1, b"abc")],
        &["POST / abc"],
    ),
    reset(
        "9113 8.1.1",
        "a body longer than its length",
        || vec![post(1, "/", &[("content-length", "3")]), frame(DATA, END_STREAM, 1, b"abcd")],
        &["POST / <broken>"],
    ),
    reset(
        "9113 8.1.1",
        "a body shorter than its length",
        || vec![post(1, "/", &[("content-length", "3")]), frame(DATA, END_STREAM, 1, b"ab")],
        &["POST / <broken>"],
    ),
    reset(
        "9113 8.1.1",
        "a body shorter than its length, and trailers",
        || {
            let body = frame(DATA, 0, 1, b"ab");
            let trailers = headers(1, WHOLE, &block(&[("x", "y")]));
            vec![post(1, "/", &[("content-length", "3")]), body, trailers]
        },
        &["POST / ab <broken>"],
    ),
    reset("9113 8.1.1", "a length and no body", || with(&[("content-length", "3")]), &[]),
    reset(
        "9113 8.1.1",
        "two lengths that differ",
        || {
            let lengths = [("content-length", "3"), ("content-length", "4")];
            vec![post(1, "/", &lengths), frame(DATA, END_STREAM, 1, b"abc")]
        },
        &[],
    ),
    reset(
        "9113 8.1.1",
        "a length with a sign",
        || vec![post(1, "/", &[("content-length", "+3")]), frame(DATA, END_STREAM, 1, b"abc")],
        &[],
    ),
    reset(
        "9113 8.1.1",
        "a length above 2^64",
        || vec![post(1, "/", &[("content-length", "18446744073709551619")])],
        &[],
    ),
    h2(
        "9110 15.5.14",
        "a length above the limit",
        || vec![post(1, "/", &[("content-length", "30000001")])],
        &[Reply(1, 413), Reset(1, NO_ERROR)],
        Open,
        &[],
    ),
    h2(
        "9110 10.1.1",
        "100-continue, and the body is waited for",
        || vec![post(1, "/", &[("expect", "100-continue"), ("content-length", "3")])],
        &[],
        Open,
        &["POST / <more>"],
    )
    .gap(Gap::Parser("MUST be 100; hyper says it over HTTP/1 only")),
    h2(
        "9113 10.5.1",
        "a head of 17 KiB",
        || split(&with(&[("x", &"y".repeat(8_700)), ("z", &"y".repeat(8_700))])[0]),
        &[Reply(1, 431)],
        Open,
        &[],
    ),
];

/// HEADERS as frames that are small enough.
fn split(head: &[u8]) -> Vec<Vec<u8>> {
    let (first, rest) = head[9..].split_at(16_000);
    vec![headers(1, END_STREAM, first), frame(CONTINUATION, END_HEADERS, 1, rest)]
}

const HPACK: &[Http2] = &[
    goaway("7541 6.1", "a field of index 0", || with_block(&[0x80]), &[]).gap(COMPRESSION),
    goaway("7541 2.3.3", "an index behind the table", || with_block(&[0xbe]), &[]).gap(COMPRESSION),
    goaway(
        "7541 2.3.3",
        "a name of an index behind the table",
        || with_block(&[0x7e, 1, b'y']),
        &[],
    )
    .gap(COMPRESSION),
    h2(
        "7541 2.3.2",
        "a field from the table, in the next request",
        || {
            let kept = [&block(LEAST), &[0x40][..], &string(b"x"), &string(b"y")].concat();
            let again = [&block(LEAST), &[0xbe][..]].concat();
            vec![headers(1, WHOLE, &kept), headers(3, WHOLE, &again)]
        },
        &[Reply(1, 200), Reply(3, 200)],
        Open,
        &["GET / x=y", "GET / x=y"],
    ),
    h2(
        "7541 4.3",
        "a field that the table lost by its size",
        || {
            let kept = [&block(LEAST), &[0x40][..], &string(b"x"), &string(b"y")].concat();
            let again = [&[0x20, 0x3f, 0xe1, 0x1f], &*block(LEAST), &[0xbe]].concat();
            vec![headers(1, WHOLE, &kept), headers(3, WHOLE, &again)]
        },
        &[Reply(1, 200), GoAway(PROTOCOL_ERROR)],
        Closed,
        &["GET / x=y"],
    )
    .gap(COMPRESSION),
    answered(
        "7541 6.3",
        "a size of the table of 4,096",
        || vec![headers(1, WHOLE, &[&[0x3f, 0xe1, 0x1f], &*block(LEAST)].concat())],
        &["GET /"],
    ),
    goaway(
        "7541 6.3",
        "a size of the table of 4,097",
        || vec![headers(1, WHOLE, &[&[0x3f, 0xe2, 0x1f], &*block(LEAST)].concat())],
        &[],
    )
    .gap(COMPRESSION),
    goaway("7541 4.2", "a size of the table after a field", || with_block(&[0x20]), &[])
        .gap(COMPRESSION),
    answered(
        "7541 5.2",
        "a value by Huffman",
        || with_block(&[0x00, 1, b'x', 0x81, 0x1f]),
        &["GET / x=a"],
    ),
    goaway(
        "7541 5.2",
        "padding of Huffman that is not of ones",
        || with_block(&[0x00, 1, b'x', 0x81, 0x18]),
        &[],
    )
    .gap(COMPRESSION),
    goaway(
        "7541 5.2",
        "padding of Huffman of more than 7 bits",
        || with_block(&[0x00, 1, b'x', 0x82, 0x1f, 0xff]),
        &[],
    )
    .gap(COMPRESSION),
    goaway(
        "7541 5.2",
        "the end of Huffman in a value",
        || with_block(&[0x00, 1, b'x', 0x84, 0xff, 0xff, 0xff, 0xff]),
        &[],
    )
    .gap(COMPRESSION),
    goaway(
        "7541 5.2",
        "a value longer than its block",
        || with_block(&[0x00, 1, b'x', 9, b'y']),
        &[],
    )
    .gap(COMPRESSION),
    goaway("7541 6.2.2", "a field without a value", || with_block(&[0x00, 1, b'x']), &[])
        .gap(COMPRESSION),
    goaway("7541 5.1", "an integer that does not end", || with_block(&[0xff, 0x80]), &[])
        .gap(COMPRESSION),
    goaway(
        "7541 5.1",
        "an integer above 2^64",
        || with_block(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
        &[],
    )
    .gap(COMPRESSION),
    goaway(
        "7541 5.1",
        "an integer with many zeros at its end",
        || with_block(&[0x0f, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00, 1, b'y']),
        &[],
    )
    .gap(COMPRESSION),
    answered(
        "7541 6.2.3",
        "a field that is never kept",
        || with_block(&[0x10, 1, b'x', 1, b'y']),
        &["GET / x=y"],
    ),
];

const FLOODS: &[Http2] = &[
    h2(
        "9113 10.5",
        "requests that are reset at once",
        || {
            let reset = |n| [get(n, "/hold"), frame(RST_STREAM, 0, n, &[0, 0, 0, 8])].concat();
            vec![(0..200).flat_map(|n| reset(2 * n + 1)).collect()]
        },
        &[GoAway(ENHANCE_YOUR_CALM)],
        Closed,
        &[],
    )
    .sent(Pace::AtOnce),
    goaway(
        "9113 10.5",
        "requests that the server is made to reset",
        || {
            let reset = |n| [get(n, "/hold"), window(n, 0)].concat();
            vec![(0..200).flat_map(|n| reset(2 * n + 1)).collect()]
        },
        &[],
    )
    .sent(Pace::AtOnce),
    h2(
        "9113 10.5",
        "CONTINUATION without end",
        || {
            let more = (0..64).map(|_| frame(CONTINUATION, 0, 1, &[]));
            [headers(1, END_STREAM, &block(LEAST))].into_iter().chain(more).collect()
        },
        &[GoAway(ENHANCE_YOUR_CALM)],
        Closed,
        &[],
    )
    .sent(Pace::AtOnce),
    h2(
        "9113 10.5.1",
        "a head of 80 KiB from the table",
        || {
            // Each byte is a field of 4,000 bytes.
            let value = "y".repeat(3_900);
            let kept = [&[0x40][..], &string(b"x"), &string(value.as_bytes())].concat();
            with_block(&[kept, vec![0xbe; 99]].concat())
        },
        &[GoAway(ENHANCE_YOUR_CALM)],
        Closed,
        &[],
    )
    .sent(Pace::AtOnce),
    h2(
        "9113 10.5",
        "DATA without bytes",
        || vec![post(1, "/hold", &[]), frame(DATA, 0, 1, &[]).repeat(20_000)],
        &[GoAway(ENHANCE_YOUR_CALM)],
        Closed,
        &["POST /hold <held>"],
    )
    .sent(Pace::AtOnce),
    h2(
        "9113 10.5",
        "900 times PING",
        || vec![frame(PING, 0, 0, &[7; 8]).repeat(900)],
        &[Pong(0x0707_0707_0707_0707)],
        Open,
        &[],
    )
    .sent(Pace::AtOnce),
    h2(
        "9113 10.5",
        "20,000 times PING",
        || vec![frame(PING, 0, 0, &[7; 8]).repeat(20_000)],
        &[Pong(0x0707_0707_0707_0707)],
        Closed,
        &[],
    )
    .sent(Pace::AtOnce),
    h2(
        "9113 10.5",
        "20,000 times SETTINGS",
        || vec![frame(SETTINGS, 0, 0, &[]).repeat(20_000)],
        &[Ack],
        Closed,
        &[],
    )
    .sent(Pace::AtOnce),
];

// ----- the service

/// A request as the service saw it.
#[derive(Debug, Clone)]
struct Heard {
    head: String,
    body: Vec<u8>,
    trailers: String,
    end: &'static str,
}

type Log = Arc<Mutex<Vec<Heard>>>;

impl fmt::Display for Heard {
    /// The method, the target, the field `x`, the body, the trailers, and how it
    /// ended where that was not well.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.head)?;
        if !self.body.is_empty() {
            write!(f, " {}", self.body.escape_ascii())?;
        }
        f.write_str(&self.trailers)?;
        f.write_str(self.end)
    }
}

impl Heard {
    fn new(request: &Request<Incoming>) -> Self {
        let uri = request.uri();
        let target = match uri.path_and_query() {
            // HTTP/2 has the host in it.
            Some(path) if request.version() == Version::HTTP_2 => path.to_string(),
            _ => uri.to_string(),
        };
        let mut head = format!("{} {target}", request.method());
        if let Some(value) = request.headers().get("x") {
            write!(head, " x={}", value.as_bytes().escape_ascii()).unwrap();
        }
        Self { head, body: Vec::new(), trailers: String::new(), end: " <more>" }
    }
}

/// Notes the request; 400 is its answer to a body that is broken.
async fn answer(request: Request<Incoming>, log: Log) -> Result<Response<Full<Bytes>>, Infallible> {
    let at = {
        let mut log = log.lock().unwrap();
        log.push(Heard::new(&request));
        log.len() - 1
    };
    let change = |change: &dyn Fn(&mut Heard)| change(&mut log.lock().unwrap()[at]);
    let mut reply = Response::new(Full::from("ok"));
    match request.uri().path() {
        "/hold" => {
            change(&|heard| heard.end = " <held>");
            pending::<()>().await;
        }
        "/unread" => change(&|heard| heard.end = " <unread>"),
        _ => {
            let mut body = request.into_body();
            let mut end = "";
            while let Some(frame) = body.frame().await {
                let Ok(frame) = frame else {
                    end = " <broken>";
                    *reply.status_mut() = StatusCode::BAD_REQUEST;
                    break;
                };
                change(&|heard| {
                    if let Some(data) = frame.data_ref() {
                        heard.body.extend_from_slice(data);
                    }
                    for (name, value) in frame.trailers_ref().into_iter().flatten() {
                        let value = value.as_bytes().escape_ascii();
                        write!(heard.trailers, " +{name}={value}").unwrap();
                    }
                });
            }
            change(&|heard| heard.end = end);
        }
    }
    Ok(reply)
}

// ----- the client

/// How long is waited for an answer, by a clock that is paused: less than any
/// time-out of the server.
const PATIENCE: Duration = Duration::from_secs(2);

/// What came of what was sent.
struct Came {
    bytes: Vec<u8>,
    after: After,
    served: Vec<String>,
}

/// Reads until nothing comes any more, and says whether that is the end.
async fn read(pipe: &mut DuplexStream, bytes: &mut Vec<u8>) -> bool {
    loop {
        match timeout(PATIENCE, pipe.read_buf(bytes)).await {
            Ok(Ok(0) | Err(_)) => return true,
            Ok(Ok(_)) => {}
            Err(_) => return false,
        }
    }
}

/// Each request, where they are few and short.
fn listed(log: &Log) -> Vec<String> {
    let mut served: Vec<_> = log.lock().unwrap().iter().map(Heard::to_string).collect();
    if served.len() > 100 && served.iter().all(|request| *request == served[0]) {
        return vec![format!("{} times {}", served.len(), served[0])];
    }
    for request in &mut served {
        if request.len() == LONG_LENGTH {
            LONG.clone_into(request);
        }
    }
    served
}

/// Sends this in pieces of so many bytes, then a request, to a new server.
async fn talk(steps: &[Vec<u8>], piece: usize, probe: &[u8]) -> Came {
    let (net, pipes) = Net::new();
    let log = Log::default();
    let heard = Arc::clone(&log);
    let service = tower::service_fn(move |request| answer(request, Arc::clone(&heard)));
    let (_handle, running) = start(serve(pipes, service));
    // Wide enough that whoever writes never waits.
    let mut pipe = net.connect_through(2 << 20);
    for step in steps {
        for piece in step.chunks(piece) {
            // It may be closed already.
            _ = pipe.write_all(piece).await;
            yield_now().await;
        }
        settle().await;
    }
    let mut bytes = Vec::new();
    let is_end = read(&mut pipe, &mut bytes).await;
    let served = listed(&log);
    let before = log.lock().unwrap().len();
    _ = pipe.write_all(probe).await;
    let mut more = Vec::new();
    read(&mut pipe, &mut more).await;
    let is_served = {
        let log = log.lock().unwrap();
        assert!(log.iter().all(|heard| !heard.head.contains("/smuggled")), "{log:?}");
        log.len() == before + 1 && log[before].to_string() == "GET /probe"
    };
    // Nor is the rest of it taken for a request when nothing more can come.
    _ = pipe.shutdown().await;
    read(&mut pipe, &mut more).await;
    running.abort();
    let served_later = log.lock().unwrap().len() - before;
    assert_eq!(served_later, usize::from(is_served), "{:?}", listed(&log));
    let after = match (is_end, is_served) {
        (true, false) => Closed,
        (false, true) => Open,
        (false, false) => Waits,
        (true, true) => panic!("it is closed, and serves"),
    };
    Came { bytes, after, served }
}

/// The statuses of replies, whose bodies have none.
fn statuses(bytes: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(bytes);
    let replies = text.split("HTTP/1.").skip(1);
    replies.map(|reply| reply[2..5].parse().unwrap()).collect()
}

/// What the server said in HTTP/2.
fn events(bytes: &[u8]) -> Vec<Event> {
    if bytes.starts_with(b"HTTP/1.") {
        return statuses(bytes).into_iter().map(Text).collect();
    }
    let (mut rest, mut events, mut unfinished) = (bytes, Vec::new(), Vec::new());
    let mut acks = 0;
    while let [a, b, c, kind, flags, more @ ..] = rest {
        let length = usize::try_from(u32::from_be_bytes([0, *a, *b, *c])).unwrap();
        let (stream, more) = more.split_at(4);
        let stream = u32::from_be_bytes(stream.try_into().unwrap());
        let (payload, more) = more.split_at(length);
        rest = more;
        let code = |payload: &[u8]| u32::from_be_bytes(payload[..4].try_into().unwrap());
        let is_ack = flags & ACK != 0;
        let event = match *kind {
            HEADERS => Reply(stream, status(payload)),
            RST_STREAM => Reset(stream, code(payload)),
            GOAWAY => GoAway(code(&payload[4..])),
            PING if is_ack => Pong(u64::from_be_bytes(payload.try_into().unwrap())),
            SETTINGS if is_ack && acks > 0 => Ack,
            SETTINGS if is_ack => {
                acks += 1;
                continue;
            }
            _ => {
                if *kind == DATA && flags & END_STREAM != 0 {
                    unfinished.retain(|unfinished| *unfinished != stream);
                }
                continue;
            }
        };
        match event {
            Reply(stream, _) if flags & END_STREAM == 0 => unfinished.push(stream),
            Reset(stream, _) => unfinished.retain(|unfinished| *unfinished != stream),
            _ => {}
        }
        if events.last() != Some(&event) {
            events.push(event);
        }
    }
    events.extend(unfinished.into_iter().map(Unfinished));
    events
}

/// The status that a block begins with.
fn status(block: &[u8]) -> u16 {
    match block {
        // A size of the table comes before.
        [0x20..=0x3e, rest @ ..] => status(rest),
        [0x3f, rest @ ..] => {
            let end = rest.iter().position(|byte| *byte < 128).unwrap();
            status(&rest[end + 1..])
        }
        [index @ 0x88..=0x8e, ..] => [200, 204, 206, 304, 400, 404, 500][usize::from(index - 0x88)],
        [0x08 | 0x18 | 0x48, length, rest @ ..] if length & 0x80 == 0 => {
            String::from_utf8_lossy(&rest[..usize::from(*length)]).parse().unwrap()
        }
        [0x08 | 0x18 | 0x48, length, rest @ ..] => digits(&rest[..usize::from(length & 0x7f)]),
        _ => panic!("no status: {block:?}"),
    }
}

/// Digits by the code of RFC 7541, appendix B: 0 to 2 have five bits, the
/// others six.
fn digits(bytes: &[u8]) -> u16 {
    let mut bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    let mut take =
        |code, count| bits.by_ref().take(count).fold(code, |code, bit| code << 1 | u16::from(bit));
    let mut digit = || match take(0, 5) {
        code @ 0..=2 => code,
        code => take(code, 1) - 22,
    };
    (0..3).fold(0, |number, _| number * 10 + digit())
}

// ----- what is checked

impl Pace {
    /// Of how many bytes the pieces of so many are: of one, or more where there
    /// are so many that it would take long.
    fn pieces(self, length: usize) -> Vec<usize> {
        let small = 1 + length / 4_000;
        match self {
            Self::Any => vec![usize::MAX, small],
            Self::AtOnce => vec![usize::MAX],
            Self::ByteByByte => vec![small],
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Any => "",
            Self::AtOnce => ", at once",
            Self::ByteByByte => ", byte by byte",
        }
    }
}

const PROBE: &[u8] = b"GET /probe HTTP/1.1\r\nhost: a\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn http1_is_answered_as_listed() {
    let mut wrong = Vec::new();
    for case in HTTP1.iter().flat_map(|(_, cases)| *cases) {
        let sent = case.sent.concat();
        let is_head = sent.starts_with(b"HEAD ");
        for piece in case.pace.pieces(sent.len()) {
            let came = talk(std::slice::from_ref(&sent), piece, PROBE).await;
            let replies = statuses(&came.bytes);
            // Each has a date (RFC 9110, 6.6.1), and HEAD no body.
            let dates = String::from_utf8_lossy(&came.bytes).matches("\r\ndate: ").count();
            let is_as_listed = replies == case.replies
                && dates == replies.iter().filter(|status| **status >= 200).count()
                && came.after == case.after
                && came.served == case.served
                && (!is_head || came.bytes.ends_with(b"\r\n\r\n"));
            if !is_as_listed {
                let (after, served) = (came.after, came.served);
                wrong.push(format!("{} ({piece}): {replies:?} {after:?} {served:?}", case.what));
            }
        }
    }
    assert!(wrong.is_empty(), "{} are not as listed:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn http2_is_answered_as_listed() {
    let mut wrong = Vec::new();
    let probe = get(9_999, "/probe");
    for case in HTTP2.iter().flat_map(|(_, cases)| *cases) {
        let opening = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
        let opening = [opening].into_iter().filter(|_| !case.is_bare);
        let sent: Vec<_> = opening.chain((case.sent)()).collect();
        let length = sent.iter().map(Vec::len).sum();
        for piece in case.pace.pieces(length) {
            let came = talk(&sent, piece, &probe).await;
            let events = events(&came.bytes);
            let is_as_listed =
                events == case.events && came.after == case.after && came.served == case.served;
            if !is_as_listed {
                let (after, served) = (came.after, came.served);
                wrong.push(format!("{} ({piece}): {events:?} {after:?} {served:?}", case.what));
            }
        }
    }
    assert!(wrong.is_empty(), "{} are not as listed:\n{}", wrong.len(), wrong.join("\n"));
}

// ----- the book

const BEGIN: &str =
    "<!-- what follows is written by kit-transport/serve/tests/conformance.rs -->\n";

/// A line of a table.
struct Line {
    rfc: &'static str,
    what: String,
    result: String,
    gap: Option<Gap>,
}

impl From<&Http1> for Line {
    fn from(case: &Http1) -> Self {
        let replies: Vec<_> = case.replies.iter().map(u16::to_string).collect();
        let what = [case.what, case.pace.words()].concat();
        Self { rfc: case.rfc, what, result: result(&replies, case.after), gap: case.gap }
    }
}

impl From<&Http2> for Line {
    fn from(case: &Http2) -> Self {
        let events: Vec<_> = case.events.iter().map(Event::to_string).collect();
        let what = [case.what, case.pace.words()].concat();
        Self { rfc: case.rfc, what, result: result(&events, case.after), gap: case.gap }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply(_, status) => write!(f, "{status}"),
            Unfinished(_) => f.write_str("no end"),
            Reset(_, code) => write!(f, "RST_STREAM {}", name(*code)),
            GoAway(code) => write!(f, "GOAWAY {}", name(*code)),
            Pong(_) => f.write_str("PING ACK"),
            Ack => f.write_str("SETTINGS ACK"),
            Text(status) => write!(f, "{status} over HTTP/1.1"),
        }
    }
}

fn name(code: u32) -> &'static str {
    match code {
        NO_ERROR => "NO_ERROR",
        PROTOCOL_ERROR => "PROTOCOL_ERROR",
        FLOW_CONTROL_ERROR => "FLOW_CONTROL_ERROR",
        STREAM_CLOSED => "STREAM_CLOSED",
        FRAME_SIZE_ERROR => "FRAME_SIZE_ERROR",
        REFUSED_STREAM => "REFUSED_STREAM",
        ENHANCE_YOUR_CALM => "ENHANCE_YOUR_CALM",
        _ => panic!("no case has the code {code}"),
    }
}

fn result(said: &[String], after: After) -> String {
    let said = if said.is_empty() { "nothing".to_owned() } else { said.join(", ") };
    let after = match after {
        Open => "open",
        Closed => "closed",
        Waits => "waits",
    };
    format!("{said}; {after}")
}

fn tables() -> Vec<(&'static str, Vec<Line>)> {
    let http1 = HTTP1.iter().map(|(name, cases)| (*name, cases.iter().map(Line::from).collect()));
    let http2 = HTTP2.iter().map(|(name, cases)| (*name, cases.iter().map(Line::from).collect()));
    http1.chain(http2).collect()
}

const PARSER: &str = "\
hyper, h2 and the parsers under them settle these before kit-serve sees a request, so that they
can't be mended from outside. Most are the code of a GOAWAY. Where the end of a chunked body is
read otherwise than a lax proxy in front might read it, what follows is swallowed and not served.";
const CHOICE: &str = "Where kit-serve is stricter, or can't know.";

/// The lists as they are in the book.
fn lists() -> String {
    let tables = tables();
    let all = || tables.iter().flat_map(|(name, lines)| lines.iter().map(move |line| (name, line)));
    let gaps = all().filter(|(_, line)| line.gap.is_some()).count();
    let mut text =
        format!("\n{} cases, of which {gaps} differ from what the RFC asks for.\n", all().count());
    let kinds: [(&str, &str, fn(Gap) -> Option<&'static str>); 2] = [
        ("What hyper's own parser rules out", PARSER, |gap| match gap {
            Gap::Parser(why) => Some(why),
            Gap::Choice(_) => None,
        }),
        ("What kit-serve does on purpose", CHOICE, |gap| match gap {
            Gap::Choice(why) => Some(why),
            Gap::Parser(_) => None,
        }),
    ];
    for (title, intro, why) in kinds {
        let mut of_kind =
            all().filter_map(|(name, line)| Some((name, line, why(line.gap?)?))).peekable();
        if of_kind.peek().is_none() {
            continue;
        }
        write!(
            text,
            "\n## {title}\n\n{intro}\n\n| RFC | case | result | and the RFC |\n|---|---|---|---|\n"
        )
        .unwrap();
        for (name, Line { rfc, what, result, .. }, why) in of_kind {
            writeln!(text, "| {rfc} | {name}: {what} | {result} | {why} |").unwrap();
        }
    }
    for (name, lines) in &tables {
        write!(text, "\n## {name}\n\n| RFC | case | result |\n|---|---|---|\n").unwrap();
        for Line { rfc, what, result, gap } in lines {
            let mark = if gap.is_some() { " (differs)" } else { "" };
            writeln!(text, "| {rfc} | {what} | {result}{mark} |").unwrap();
        }
    }
    text
}

#[test]
fn the_book_lists_each_case_and_each_gap() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/conformance.md");
    // The crate alone has no book.
    if !page.parent().is_some_and(Path::exists) {
        return;
    }
    let text = std::fs::read_to_string(&page).unwrap();
    let (intro, listed) = text.split_once(BEGIN).expect("the line before the lists");
    let lists = lists();
    if std::env::var_os("KIT_BLESS").is_some_and(|bless| bless == "1") {
        std::fs::write(&page, [intro, BEGIN, &lists].concat()).unwrap();
        return;
    }
    let wrong = listed.lines().zip(lists.lines()).find(|(listed, line)| listed != line);
    assert!(
        listed == lists,
        "KIT_BLESS=1 writes docs/src/conformance.md anew; the first: {wrong:?}"
    );
    let gaps =
        tables().iter().flat_map(|(_, lines)| lines).filter(|line| line.gap.is_some()).count();
    assert_eq!(listed.matches(" (differs) |").count(), gaps);
}

#[test]
fn no_request_that_is_hidden_in_another_is_a_gap() {
    let served = HTTP1.iter().flat_map(|(_, cases)| *cases).flat_map(|case| case.served);
    let served =
        served.chain(HTTP2.iter().flat_map(|(_, cases)| *cases).flat_map(|case| case.served));
    for request in served {
        let target = request.split(' ').nth(1);
        assert!(target.is_none_or(|target| !target.contains("smuggled")), "{request}");
    }
}
