//! Deadlines on the wire.
//!
//! A deadline travels as the time that is left, so clocks need not agree:
//! `grpc-timeout` is gRPC's header, `x-request-timeout-ms` is ours for HTTP,
//! and either is understood over either transport. It only shrinks from hop to
//! hop.

use http::{HeaderMap, HeaderName, HeaderValue};
use kit_endpoint::{Details, Fault, Kind};
use std::{error, fmt, time::Duration};

/// gRPC's header: at most eight digits and a unit, `H`, `M`, `S`, `m`, `u`
/// or `n` (gRPC over HTTP/2).
pub const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The default header for HTTP: whole milliseconds, at most eight digits.
pub const REQUEST_TIMEOUT_MS: HeaderName = HeaderName::from_static("x-request-timeout-ms");

/// The constant in one place: a use of it would make it, and drop it, anew.
static GRPC: HeaderName = GRPC_TIMEOUT;

/// A deadline header that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadTimeout {
    header: HeaderName,
}

/// Reads the time that the caller allows, the sooner of `header` and
/// `grpc-timeout`, if it set any; of several values of one of them, the least.
///
/// # Errors
///
/// Fails if any of them is not a number of at most eight digits, with its
/// unit: to go on without a deadline would not be what the caller asked for.
pub fn timeout(headers: &HeaderMap, header: &HeaderName) -> Result<Option<Duration>, BadTimeout> {
    // Most requests have neither: looking along their few names costs less
    // than hashing two.
    if !headers.keys().any(|name| name == header || *name == GRPC) {
        return Ok(None);
    }
    let ours = soonest(headers, header)?;
    if *header == GRPC {
        return Ok(ours);
    }
    let grpc = soonest(headers, &GRPC)?;
    Ok(match (ours, grpc) {
        (Some(ours), Some(grpc)) => Some(ours.min(grpc)),
        (ours, grpc) => ours.or(grpc),
    })
}

/// Reads every value of `header`: a proxy that adds its own limit may append it.
fn soonest(headers: &HeaderMap, header: &HeaderName) -> Result<Option<Duration>, BadTimeout> {
    let parse = if *header == GRPC { parse_grpc } else { parse_millis };
    let mut soonest: Option<Duration> = None;
    for value in headers.get_all(header) {
        let timeout = parse(value).ok_or_else(|| BadTimeout { header: header.clone() })?;
        soonest = Some(soonest.map_or(timeout, |other| other.min(timeout)));
    }
    Ok(soonest)
}

/// Reads a `grpc-timeout`.
#[must_use]
pub fn parse_grpc(value: &HeaderValue) -> Option<Duration> {
    let (unit, digits) = value.as_bytes().split_last()?;
    let number = parse_digits(digits)?;
    Some(match unit {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

/// Reads whole milliseconds.
#[must_use]
pub fn parse_millis(value: &HeaderValue) -> Option<Duration> {
    parse_digits(value.as_bytes()).map(Duration::from_millis)
}

/// Writes a `grpc-timeout`: in the finest unit that eight digits hold, rounded
/// down, since a deadline must not grow on its way.
#[must_use]
pub fn encode_grpc(timeout: Duration) -> HeaderValue {
    const MOST: u128 = 99_999_999;
    let units: [(u128, char); 6] = [
        (1, 'n'),
        (1_000, 'u'),
        (1_000_000, 'm'),
        (1_000_000_000, 'S'),
        (60_000_000_000, 'M'),
        (3_600_000_000_000, 'H'),
    ];
    let nanos = timeout.as_nanos();
    let (number, unit) = units
        .into_iter()
        .map(|(scale, unit)| (nanos / scale, unit))
        .find(|(number, _)| *number <= MOST)
        .unwrap_or((MOST, 'H'));
    // Digits and a letter are always a header value.
    HeaderValue::try_from(format!("{number}{unit}")).unwrap_or(HeaderValue::from_static("0n"))
}

/// Writes whole milliseconds, rounded down, at most eight digits.
#[must_use]
pub fn encode_millis(timeout: Duration) -> HeaderValue {
    HeaderValue::from(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX).min(99_999_999))
}

fn parse_digits(digits: &[u8]) -> Option<u64> {
    if !matches!(digits.len(), 1..=8) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

// ===== impl BadTimeout =====

impl fmt::Display for BadTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.header == GRPC {
            f.write_str("grpc-timeout must be 1 to 8 digits and one of the units H, M, S, m, u, n")
        } else {
            write!(f, "{} must be a number of milliseconds of 1 to 8 digits", self.header)
        }
    }
}

impl error::Error for BadTimeout {}

impl Fault for BadTimeout {
    fn kind(&self) -> Kind {
        Kind::InvalidArgument
    }

    fn describe(&self, details: &mut Details) {
        details.violation(self.header.to_string(), self.to_string());
    }
}
