use http::{Extensions, HeaderMap, HeaderValue};
use kit_transport::{Call, Hook, Observer, Protocol, REQUEST_ID, RequestId, RequestIds};

const ALLOWED: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/+=-";

/// Request ids: the bytes of `x-request-id`.
pub fn request_id(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    let text = std::str::from_utf8(data).ok();
    let valid = text.filter(|text| {
        (1..=128).contains(&text.len()) && text.chars().all(|letter| ALLOWED.contains(letter))
    });
    let id = RequestId::new(&value);
    assert_eq!(id.as_ref().map(RequestId::as_str), valid);
    if let (Some(id), Some(text)) = (&id, valid) {
        assert_eq!((id.header(), id.to_string().as_str()), (&value, text));
        assert_eq!(format!("{id:?}"), format!("RequestId({text:?})"));
    }

    // The hook keeps a valid one, replaces any other, and says which it is.
    let mut headers = HeaderMap::new();
    headers.insert(REQUEST_ID, value);
    let mut extensions = Extensions::new();
    let call = Call::new(Protocol::Http, "GET", &headers);
    let mut echo = RequestIds.before(&call, &mut extensions);
    let given: RequestId = extensions.remove().expect("every request has an id");
    match id {
        Some(id) => assert_eq!(given, id),
        None => assert_eq!(RequestId::new(given.header()), Some(given.clone())),
    }
    let mut reply = HeaderMap::new();
    echo.after(&mut reply);
    assert_eq!(reply.get(REQUEST_ID), Some(given.header()));
}
