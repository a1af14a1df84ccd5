use http::{HeaderMap, header};
use std::time::{Duration, SystemTime};

/// Reads how long to wait (RFC 9110, section 10.2.3): seconds, or a date.
///
/// A date is held against the reply's own `Date`, so that the clocks need not
/// agree, or else against ours. One that has passed is no wait.
pub(super) fn read(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim_ascii();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number too large for us is one too large to wait for.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    let now = headers.get(header::DATE).and_then(|date| date.to_str().ok());
    let now = now.and_then(|date| httpdate::parse_http_date(date).ok());
    let now = now.unwrap_or_else(SystemTime::now);
    Some(until.duration_since(now).unwrap_or(Duration::ZERO))
}
