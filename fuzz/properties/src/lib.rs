//! What holds of the parsers of the kit, whatever they are given.
//!
//! Each function takes any bytes and panics where a property does not hold.
//! libFuzzer calls them with what it makes up (`cargo +nightly fuzz run
//! <name>`), and `tests/corpus.rs` with what it found that way, so that every
//! `cargo test` goes where fuzzing has been. The second implementations are
//! simple rather than fast.

#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a property that does not hold panics"
)]

mod address;
mod b3;
mod baggage;
mod credentials;
mod deadline;
mod events;
mod fault;
mod htpasswd;
mod jaeger;
mod json_lines;
mod jwks;
mod log_filter;
mod negotiate;
#[path = "../../../kit-metrics/tests/page/mod.rs"]
mod page;
mod problem;
mod prometheus;
mod propagation;
mod request_id;
mod status;
mod template;
mod token;
mod trace_context;
mod trailers;
mod urlencoded;

pub use self::{
    address::address, b3::b3, baggage::baggage, credentials::credentials, deadline::deadline,
    events::events, htpasswd::htpasswd, jaeger::jaeger, json_lines::json_lines, jwks::jwks,
    log_filter::log_filter, negotiate::negotiate, problem::problem, prometheus::prometheus,
    propagation::propagation, request_id::request_id, status::status, template::template,
    token::token, trace_context::trace_context, trailers::trailers, urlencoded::urlencoded,
};

use http::{HeaderMap, HeaderName, HeaderValue};

/// A property of any bytes.
pub type Property = fn(&[u8]);

/// Every property, by the name of its fuzz target and of its corpus.
pub const ALL: [(&str, Property); 22] = [
    ("address", address),
    ("b3", b3),
    ("baggage", baggage),
    ("credentials", credentials),
    ("deadline", deadline),
    ("events", events),
    ("htpasswd", htpasswd),
    ("jaeger", jaeger),
    ("json_lines", json_lines),
    ("jwks", jwks),
    ("log_filter", log_filter),
    ("negotiate", negotiate),
    ("problem", problem),
    ("prometheus", prometheus),
    ("propagation", propagation),
    ("request_id", request_id),
    ("status", status),
    ("template", template),
    ("token", token),
    ("trace_context", trace_context),
    ("trailers", trailers),
    ("urlencoded", urlencoded),
];

/// Reads lines of `name:value`; those that are no header are left out.
fn headers(data: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        let (name, value) = halves(line, b':');
        let (name, value) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value));
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    headers
}

/// The values of `name`, in order; what is no text in them is U+FFFD.
fn values(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.get_all(name).iter().map(text).collect()
}

/// Splits `data` at the first `separator`; without one the second is empty.
fn halves(data: &[u8], separator: u8) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == separator) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &[]),
    }
}

/// Decodes percent-encoding as a browser does: what is no escape stays.
fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let hex = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut plain = Vec::new();
    let mut at = 0;
    while at < text.len() {
        match (text[at], hex(text.get(at + 1)), hex(text.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                plain.push(u8::try_from(high * 16 + low).expect("two digits are a byte"));
                at += 3;
            }
            (byte, ..) => {
                plain.push(byte);
                at += 1;
            }
        }
    }
    plain
}
