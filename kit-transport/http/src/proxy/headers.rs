//! Which headers go on, and which are of one connection alone.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header, request::Parts};
use http_body::Body;
use kit_endpoint::Peer;
use kit_transport::REQUEST_ID;

/// What is of one connection alone even where `Connection` does not name it
/// (RFC 9110, section 7.6.1).
static HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-authentication-info"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Removes what is of one connection alone.
///
/// `Transfer-Encoding` overrides a `Content-Length`, which must not outlive it
/// (RFC 9112, section 6.3): it says nothing of the body as it goes on.
pub(super) fn end_to_end(headers: &mut HeaderMap) {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    if headers.contains_key(header::CONNECTION) {
        let named = headers.get_all(header::CONNECTION).into_iter();
        let named = named.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
        let named: Vec<_> =
            named.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok()).collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// As [`end_to_end`], of a request: that trailers are read goes on, since they
/// do.
pub(super) fn request_end_to_end(headers: &mut HeaderMap) {
    let trailers = headers.get_all(header::TE).into_iter().any(|value| {
        let mut codings = value.as_bytes().split(|byte| *byte == b',');
        codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
    });
    end_to_end(headers);
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        // HTTP/1 wants it named; HTTP/2, which is all that gRPC speaks, forbids
        // that, and hyper would drop both.
        if !is_grpc(headers) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
        }
    }
    join_cookies(headers);
}

/// Says that a GET has a body whose length nobody knows: over HTTP/1 hyper takes
/// it for one without, unless told. (Over HTTP/2 it drops this.)
pub(super) fn delimit(head: &mut Parts, body: &impl Body) {
    if matches!(head.method, Method::GET | Method::HEAD)
        && !body.is_end_stream()
        && body.size_hint().exact().is_none()
        && !head.headers.contains_key(header::CONTENT_LENGTH)
    {
        head.headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let rest = kind.and_then(|kind| kind.strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
}

/// HTTP/2 may split `Cookie` into fields, HTTP/1 has one (RFC 9113, section
/// 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<_> = headers.get_all(header::COOKIE).into_iter().collect();
    if cookies.len() < 2 {
        return;
    }
    let sensitive = cookies.iter().any(|cookie| cookie.is_sensitive());
    let joined: Vec<_> = cookies.iter().map(|cookie| cookie.as_bytes()).collect();
    // Of parts that are values.
    if let Ok(mut joined) = HeaderValue::from_bytes(&joined.join(&b"; "[..])) {
        joined.set_sensitive(sensitive);
        headers.insert(header::COOKIE, joined);
    }
}

/// Removes from trailers what the proxy decides of headers: whoever merges the
/// two would believe it.
pub(super) fn trailers(trailers: &mut HeaderMap) {
    end_to_end(trailers);
    for name in [&header::CONTENT_LENGTH, &header::HOST, &REQUEST_ID] {
        trailers.remove(name);
    }
    unforwarded(trailers);
}

fn unforwarded(headers: &mut HeaderMap) {
    for name in [&header::FORWARDED, &FORWARDED_FOR, &FORWARDED_HOST, &FORWARDED_PROTO] {
        headers.remove(name);
    }
}

/// Says for whom the request is, whom it was for, and how it came.
pub(super) fn forwarded(
    headers: &mut HeaderMap,
    peer: Option<Peer>,
    host: Option<HeaderValue>,
    proto: &'static str,
    trusted: bool,
) {
    if !trusted {
        unforwarded(headers);
    }
    let address = peer.and_then(|peer| peer.addr()).map(|address| address.ip().to_string());
    if let Some(address) = address {
        let mut chain: Vec<_> = headers
            .get_all(&FORWARDED_FOR)
            .into_iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        chain.push(&address);
        if let Ok(chain) = HeaderValue::try_from(chain.join(", ")) {
            headers.insert(&FORWARDED_FOR, chain);
        }
    }
    if let Some(host) = host {
        headers.entry(&FORWARDED_HOST).or_insert(host);
    }
    headers.entry(&FORWARDED_PROTO).or_insert(HeaderValue::from_static(proto));
}
