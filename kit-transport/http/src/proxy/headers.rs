//! Which headers go on, and which are of one connection alone.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use kit_endpoint::Peer;

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
pub(super) fn end_to_end(headers: &mut HeaderMap) {
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
        headers.remove(header::FORWARDED);
        for name in [&FORWARDED_FOR, &FORWARDED_HOST, &FORWARDED_PROTO] {
            headers.remove(name);
        }
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
