use crate::fault::Given;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use kit_endpoint::{Details, Fault, Kind, Problem};
use kit_transport_http::Rejection;
use serde_json::Value;
use std::time::Duration;

/// Failures over HTTP: what a server makes of a fault of these bytes, and what
/// a client makes of a reply of them: `Retry-After`, a line end, the body.
pub fn problem(data: &[u8]) {
    writes(&Given::new(data));
    let (retry_after, body) = crate::halves(data, b'\n');
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, Problem::CONTENT_TYPE);
    if let Ok(value) = HeaderValue::from_bytes(retry_after) {
        headers.insert(header::RETRY_AFTER, value);
    }
    let read = Rejection::new(StatusCode::CONFLICT, &headers, body);
    assert_eq!(read.retry_after, delay_seconds(retry_after).map(Duration::from_secs));
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
    assert_eq!((read.kind, read.detail.as_deref()), (given.kind, Some(detail)));
    if let Some(after) = given.retry_after {
        let read = read.retry_after.expect("a reply says when to try again");
        assert!((after..after + Duration::from_secs(1)).contains(&read));
    }
    let mut passed_on = Details::default();
    kit_transport_http::CallError::Rejected(read).describe(&mut passed_on);
    assert!(passed_on.get_reason().is_none());
}

/// RFC 9110, section 10.2.3; what does not fit is as if it was not said.
fn delay_seconds(text: &[u8]) -> Option<u64> {
    let mut seconds: u64 = 0;
    for byte in text {
        let digit = char::from(*byte).to_digit(10)?;
        seconds = seconds.checked_mul(10)?.checked_add(digit.into())?;
    }
    (!text.is_empty()).then_some(seconds)
}
