use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

/// Takes the body from a reply that goes out without one: because of its status, or
/// because what was asked for is its head alone.
///
/// Over HTTP/1 hyper leaves it out, over HTTP/2 it sends whatever there is. The length of
/// the body stays in the head for who asked for that. A 204 has none, and of a 304 it would
/// be that of the reply to a GET (RFC 9110, section 8.6), which nobody knows here.
///
/// What is left is known to have no bytes, so that no layer around puts some into it:
/// tower-http compresses what is of no known length, and so makes a body of nothing.
pub(crate) fn without_body(response: &mut Response<Bytes>, head_alone: bool) {
    let status = response.status();
    match status {
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => {
            response.headers_mut().remove(header::CONTENT_LENGTH);
        }
        _ if head_alone => {
            let length = response.body().len();
            let headers = response.headers_mut();
            if length > 0 && !headers.contains_key(header::TRANSFER_ENCODING) {
                headers.entry(header::CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
            }
        }
        _ => return,
    }
    response.body_mut().clear();
}
