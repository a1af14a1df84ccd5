use crate::fault::Given;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use kit_endpoint::{Kind, Problem};
use kit_transport_http::Rejection;
use serde_json::Value;
use std::time::Duration;

/// When every reply is sent.
const NOW: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// Failures over HTTP: what a server makes of a fault of these bytes, and what
/// a client makes of a reply of them: `Retry-After`, a line end, the body.
pub fn problem(data: &[u8]) {
    writes(&Given::new(data));
    let (retry_after, body) = crate::halves(data, b'\n');
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, Problem::CONTENT_TYPE);
    headers.insert(header::DATE, HeaderValue::from_static(NOW));
    // What no header can hold is not said.
    let value = HeaderValue::from_bytes(retry_after).ok();
    let expected = value.as_ref().and_then(|_| wait(retry_after));
    headers.extend(value.map(|value| (header::RETRY_AFTER, value)));
    let read = Rejection::new(StatusCode::CONFLICT, &headers, body);
    assert_eq!(read.retry_after, expected);
    let json = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let text = |name: &str| json.get(name).and_then(Value::as_str);
    if let Some(detail) = &read.detail {
        assert_eq!(text("detail"), Some(&**detail));
    }
    let named = text("kind").and_then(|name| name.parse().ok());
    assert!(read.kind == Kind::Aborted || Some(read.kind) == named, "{read:?}");
}

fn writes(given: &Given) {
    let response = Problem::new(given).instance(&given.value).trace_id(&given.key).into_response();
    assert_eq!(response.status(), given.kind.http_status());
    let types: Vec<_> = response.headers().get_all(header::CONTENT_TYPE).iter().collect();
    assert_eq!(types, [Problem::CONTENT_TYPE]);

    let json: Value = serde_json::from_str(response.body()).expect("problem details are JSON");
    let text = |name: &str| json.get(name).and_then(Value::as_str);
    let some = |text| Some(text).filter(|text: &&String| !text.is_empty()).map(String::as_str);
    let detail = if given.kind.is_server() { given.kind.phrase() } else { given.detail.as_str() };
    assert_eq!(text("detail"), Some(detail));
    assert_eq!(text("kind"), Some(given.kind.name()));
    assert_eq!(text("instance"), Some(&*given.value));
    assert_eq!(text("traceId"), Some(&*given.key));
    assert_eq!(text("reason"), some(&given.reason));
    assert_eq!(text("domain"), some(&given.domain));
    let fact = json.pointer("/metadata").and_then(|facts| facts.get(&given.key)?.as_str());
    assert_eq!(fact, some(&given.key).map(|_| &*given.value));
    let field = json.pointer("/violations/0/field").and_then(Value::as_str);
    assert_eq!(field, some(&given.field));

    // A client of the kit reads what the server meant.
    let read = Rejection::new(response.status(), response.headers(), response.body().as_bytes());
    given.check(&read);
    let problem = read.problem.expect("problem details");
    assert_eq!(problem.instance.as_deref(), Some(&*given.value));
    assert_eq!(problem.trace_id.as_deref(), Some(&*given.key));
}

/// RFC 9110, section 10.2.3, at [`NOW`].
fn wait(text: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(text).ok()?.trim_matches([' ', '\t']);
    if !text.is_empty() && text.chars().all(|letter| letter.is_ascii_digit()) {
        let seconds = text.chars().try_fold(0_u64, |seconds, letter| {
            seconds.checked_mul(10)?.checked_add(letter.to_digit(10)?.into())
        });
        return Some(Duration::from_secs(seconds.unwrap_or(u64::MAX)));
    }
    let now = httpdate::parse_http_date(NOW).expect("it is a date");
    let until = httpdate::parse_http_date(text).ok()?;
    Some(until.duration_since(now).unwrap_or_default())
}
