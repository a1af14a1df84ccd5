//! Faults amid a stream, there and back.

use crate::Rejection;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use kit_endpoint::Problem;
use memchr::memchr2;
use serde_json::{Value, json};
use std::time::Duration;

/// Writes what the error encoder says, as JSON on one line: as it is, if it is
/// JSON, else as a string.
pub(crate) fn problem(failure: &Response<Bytes>, out: &mut BytesMut) {
    let body = failure.body();
    let mut line = BytesMut::new();
    if serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok() {
        line.extend_from_slice(body);
        on_one_line(&mut line);
    } else {
        let text = Value::from(String::from_utf8_lossy(body));
        line.extend_from_slice(text.to_string().as_bytes());
    }
    out.unsplit(line);
}

/// Makes spaces of the line breaks in a JSON text: within strings there are
/// none, and between tokens one is as good as the other.
pub(crate) fn on_one_line(json: &mut [u8]) {
    let mut rest = json;
    while let Some(at) = memchr2(b'\n', b'\r', rest) {
        rest[at] = b' ';
        rest = &mut rest[at + 1..];
    }
}

/// Asks nginx not to hold back what is sent, as it does by default.
pub(crate) fn unbuffered(headers: &mut HeaderMap) {
    const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
}

/// Rounds up: who comes back a moment too early is refused again.
pub(crate) fn millis_rounded_up(wait: Duration) -> u64 {
    u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// Reads the fault that ended a stream: problem details, or in words.
pub(crate) fn rejection(problem: Value, retry_after: Option<Duration>) -> Rejection {
    let problem = match problem {
        Value::String(detail) => json!({ "detail": detail }),
        problem => problem,
    };
    let status = problem.get("status").and_then(Value::as_u64);
    let status = status.and_then(|status| u16::try_from(status).ok());
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, Problem::CONTENT_TYPE)]);
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut rejection = Rejection::new(status, &headers, problem.to_string().as_bytes());
    rejection.retry_after = retry_after;
    rejection
}
