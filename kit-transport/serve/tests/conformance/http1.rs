//! HTTP/1.1: RFC 9112, and what RFC 9110 says of a message.

use crate::{
    After::{self, Closed, Open, Waits},
    Gap, HTTPS, LONG, Line, Pace, result, statuses, talk,
};

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
    /// Each request as the service saw it: see [`Heard`](crate::Heard).
    served: &'static [&'static str],
    gap: Option<Gap>,
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

const LETTERS: Gap =
    Gap::Choice("SHOULD be 400; clients send them, and nobody reads them otherwise");

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

// ----- the lists

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

// ----- what is checked

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

// ----- the book

impl From<&Http1> for Line {
    fn from(case: &Http1) -> Self {
        let replies: Vec<_> = case.replies.iter().map(u16::to_string).collect();
        let what = [case.what, case.pace.words()].concat();
        Self {
            rfc: case.rfc,
            what,
            result: result(&replies, case.after),
            served: case.served,
            gap: case.gap,
        }
    }
}

pub(crate) fn tables() -> impl Iterator<Item = (&'static str, Vec<Line>)> {
    HTTP1.iter().map(|(name, cases)| (*name, cases.iter().map(Line::from).collect()))
}
