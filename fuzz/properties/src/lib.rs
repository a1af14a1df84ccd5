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
mod credentials;
mod deadline;
mod events;
mod fault;
mod htpasswd;
mod json_lines;
mod jwks;
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
mod trailers;
mod urlencoded;

pub use self::{
    address::address, credentials::credentials, deadline::deadline, events::events,
    htpasswd::htpasswd, json_lines::json_lines, jwks::jwks, negotiate::negotiate, problem::problem,
    prometheus::prometheus, propagation::propagation, request_id::request_id, status::status,
    template::template, token::token, trailers::trailers, urlencoded::urlencoded,
};

/// A property of any bytes.
pub type Property = fn(&[u8]);

/// Every property, by the name of its fuzz target and of its corpus.
pub const ALL: [(&str, Property); 17] = [
    ("address", address),
    ("credentials", credentials),
    ("deadline", deadline),
    ("events", events),
    ("htpasswd", htpasswd),
    ("json_lines", json_lines),
    ("jwks", jwks),
    ("negotiate", negotiate),
    ("problem", problem),
    ("prometheus", prometheus),
    ("propagation", propagation),
    ("request_id", request_id),
    ("status", status),
    ("template", template),
    ("token", token),
    ("trailers", trailers),
    ("urlencoded", urlencoded),
];

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
