//! HTTP/2: RFC 9113, and HPACK: RFC 7541.

use crate::{
    After::{self, Closed, Open, Waits},
    Gap, HTTPS, Line, Pace,
    pipes::PREFACE,
    result, statuses, talk,
};
use std::fmt;

use self::Event::{Ack, GoAway, Pong, Reply, Reset, Text, Unfinished};

// ----- cases

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

const FIRST: Gap = Gap::Parser("MUST be a connection error; h2 does not ask for SETTINGS first");
const SIZE: Gap = Gap::Parser("the code MUST be FRAME_SIZE_ERROR");
const CLOSED: Gap = Gap::Parser("the code MUST be STREAM_CLOSED");
const COMPRESSION: Gap = Gap::Parser("the code MUST be COMPRESSION_ERROR");
const TRAILERS: Gap = Gap::Parser("MUST be malformed; h2 passes over pseudo-fields in trailers");

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

// ----- frames

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

// ----- the lists

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

// ----- what the server says

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

impl From<&Http2> for Line {
    fn from(case: &Http2) -> Self {
        let events: Vec<_> = case.events.iter().map(Event::to_string).collect();
        let what = [case.what, case.pace.words()].concat();
        Self {
            rfc: case.rfc,
            what,
            result: result(&events, case.after),
            served: case.served,
            gap: case.gap,
        }
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

pub(crate) fn tables() -> impl Iterator<Item = (&'static str, Vec<Line>)> {
    HTTP2.iter().map(|(name, cases)| (*name, cases.iter().map(Line::from).collect()))
}
