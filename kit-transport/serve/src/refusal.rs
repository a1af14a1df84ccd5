use http::{Response, StatusCode};
use kit_endpoint::{Details, Fault, Kind, Problem};
use std::{error::Error, fmt, fmt::Write, time::SystemTime};

/// Why a peer was turned away: before the service saw anything, but for a body
/// that turned out too large.
///
/// On the wire it is a reply with its [`status`](Self::status) and problem
/// details (RFC 9457), after which the connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The head of a request began, and was not whole in time: 408.
    HeadTimeout,
    /// The request line is longer than the [limit](crate::Server::max_uri): 414.
    UriTooLong,
    /// The head is larger than the [limit](crate::Server::max_head), or has too
    /// many [fields](crate::Server::max_fields): 431.
    HeadTooLarge,
    /// The body is larger than the [limit](crate::Server::max_body), by its own
    /// length or by what came of it: 413.
    BodyTooLarge,
    /// The request does not say clearly what host it is for: 400.
    Host(crate::HostFault),
    /// Its address has as many connections as it
    /// [may](crate::Server::max_connections_per_peer): 503.
    TooManyOfPeer,
    /// It sends HTTP/2 frames that ask for work and bring none (PING, SETTINGS,
    /// empty DATA and the like): more than 1,000, and again within 10 s, while
    /// neither a request nor a reply goes on: nothing is written but answers to
    /// them. HTTP/2 has no word of ours for it: the connection is closed.
    TooManyFrames,
}

// ===== impl Refusal =====

impl Refusal {
    pub(crate) const NAMES: [&'static str; 7] = [
        "head_timeout",
        "uri_too_long",
        "head_too_large",
        "body_too_large",
        "host",
        "peer",
        "frames",
    ];

    /// Returns the status that tells the peer.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::HeadTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Host(_) => StatusCode::BAD_REQUEST,
            Self::TooManyOfPeer => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooManyFrames => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// Its place among the [`NAMES`](Self::NAMES).
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::HeadTimeout => 0,
            Self::UriTooLong => 1,
            Self::HeadTooLarge => 2,
            Self::BodyTooLarge => 3,
            Self::Host(_) => 4,
            Self::TooManyOfPeer => 5,
            Self::TooManyFrames => 6,
        }
    }

    /// The reply that hyper sends.
    pub(crate) fn response(self) -> Response<String> {
        Problem::new(&self).status(self.status()).into_response()
    }

    /// The reply, for where hyper has no request to answer.
    pub(crate) fn http1(self) -> Vec<u8> {
        let response = self.response();
        let (status, body) = (response.status(), response.body());
        let mut text = format!(
            "HTTP/1.1 {} {}\r\n",
            status.as_str(),
            status.canonical_reason().unwrap_or_default()
        );
        // Writing to a `String` cannot fail.
        let _ = write!(text, "date: {}\r\n", httpdate::fmt_http_date(SystemTime::now()));
        let _ = write!(text, "content-length: {}\r\n", body.len());
        for (name, value) in response.headers() {
            let _ = write!(text, "{name}: {}\r\n", value.to_str().unwrap_or_default());
        }
        text.push_str("connection: close\r\n\r\n");
        text.push_str(body);
        text.into_bytes()
    }
}

impl Fault for Refusal {
    fn kind(&self) -> Kind {
        match self {
            Self::HeadTimeout | Self::Host(_) => Kind::InvalidArgument,
            Self::UriTooLong | Self::HeadTooLarge | Self::BodyTooLarge => Kind::PayloadTooLarge,
            Self::TooManyOfPeer => Kind::Unavailable,
            Self::TooManyFrames => Kind::ResourceExhausted,
        }
    }

    /// Nothing ran; of a body that said no length a part was read.
    fn refused(&self) -> bool {
        !matches!(self, Self::BodyTooLarge)
    }

    fn describe(&self, _: &mut Details) {}
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeadTimeout => f.write_str("the head of the request took too long"),
            Self::UriTooLong => f.write_str("the request line is too long"),
            Self::HeadTooLarge => f.write_str("the head of the request is too large"),
            Self::BodyTooLarge => f.write_str("the body is too large"),
            Self::Host(fault) => fault.fmt(f),
            Self::TooManyOfPeer => f.write_str("too many connections from this address"),
            Self::TooManyFrames => f.write_str("too many HTTP/2 frames that bring no work"),
        }
    }
}

impl Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_a_whole_reply() {
        let text = String::from_utf8(Refusal::UriTooLong.http1()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 414 URI Too Long\r\ndate: "), "{head}");
        assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())), "{head}");
        assert!(head.contains("\r\ncontent-type: application/problem+json"), "{head}");
        assert!(head.contains("\r\nconnection: close"), "{head}");
        assert!(body.contains(r#""status":414,"detail":"the request line is too long""#), "{body}");
    }
}
