//! What the conventions ask of a message.

use http::{HeaderMap, Method, Uri, Version, header, uri::Authority};
use std::fmt::{self, Write};

/// What HTTP carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http,
    Grpc,
}

impl Protocol {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let kind = headers.get(header::CONTENT_TYPE).map(http::HeaderValue::as_bytes);
        match kind.and_then(|kind| kind.strip_prefix(b"application/grpc")) {
            // gRPC-Web is another protocol, and its trailers are in the body.
            Some([] | [b'+' | b';', ..]) => Self::Grpc,
            _ => Self::Http,
        }
    }
}

/// `http.request.method`: a method that is known, or `_OTHER`.
pub(super) fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => "_OTHER",
    }
}

/// A span of HTTP is named by the method, if that is known.
pub(super) fn named(method: &'static str) -> &'static str {
    if method == "_OTHER" { "HTTP" } else { method }
}

/// `network.protocol.version`.
pub(super) const fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => "1.1",
    }
}

/// The scheme, of a URI that may have none.
pub(super) fn scheme(uri: &Uri) -> &str {
    uri.scheme_str().unwrap_or("http")
}

/// Whom the request is for: the authority of its URI, or the `Host`.
pub(super) fn authority(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    match uri.authority() {
        Some(authority) => Some(authority.clone()),
        None => headers.get(header::HOST)?.as_bytes().try_into().ok(),
    }
}

/// The port, or that of the scheme.
pub(super) fn port(authority: &Authority, uri: &Uri) -> u16 {
    let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    authority.port_u16().unwrap_or(default)
}

/// A query, without what signs it (the conventions' `url.query`): the values of these
/// keys are `REDACTED`.
pub(super) struct Query<'a>(pub(super) &'a str);

const SECRET: [&str; 4] = ["AWSAccessKeyId", "Signature", "sig", "X-Goog-Signature"];

impl fmt::Display for Query<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, pair) in self.0.split('&').enumerate() {
            if at > 0 {
                f.write_char('&')?;
            }
            match pair.split_once('=') {
                Some((key, _)) if SECRET.contains(&key) => write!(f, "{key}=REDACTED")?,
                _ => f.write_str(pair)?,
            }
        }
        Ok(())
    }
}

/// `url.full`, without user information and signatures.
pub(super) struct Url<'a>(pub(super) &'a Uri);

impl fmt::Display for Url<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(authority) = self.0.authority() {
            let place = authority.as_str();
            write!(f, "{}://", scheme(self.0))?;
            match place.rsplit_once('@') {
                Some((_, place)) => write!(f, "REDACTED:REDACTED@{place}")?,
                None => f.write_str(place)?,
            }
        }
        f.write_str(self.0.path())?;
        match self.0.query() {
            Some(query) => write!(f, "?{}", Query(query)),
            None => Ok(()),
        }
    }
}
