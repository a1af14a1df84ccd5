use http::{
    HeaderMap, HeaderValue, Method, Request, StatusCode,
    header::{ALLOW, CONTENT_TYPE},
};
use kit_endpoint::{Details, Expired, Fault, Kind};
use kit_transport::{Phase, deadline::BadTimeout};
use std::{error::Error, fmt};

/// Why the service is not asked.
#[derive(Debug, Clone)]
pub(super) enum Refusal {
    NotGrpc(NotGrpc),
    BadTimeout(BadTimeout),
    Expired(Expired),
}

/// The request is not gRPC at all.
#[derive(Debug, Clone, Copy)]
pub(super) enum NotGrpc {
    Method,
    ContentType,
}

// ===== impl Refusal =====

impl Refusal {
    pub(super) fn fault(&self) -> &dyn Fault {
        match self {
            Self::NotGrpc(not) => not,
            Self::BadTimeout(bad) => bad,
            Self::Expired(expired) => expired,
        }
    }

    /// The step at which the call failed: it was never read, or the endpoint
    /// took too long.
    pub(super) fn phase(&self) -> Phase {
        match self {
            Self::Expired(expired) if !expired.refused() => Phase::Endpoint,
            _ => Phase::Decode,
        }
    }

    /// Returns the HTTP status. Who does not speak gRPC must not take the 200
    /// of a gRPC failure for a success ("gRPC over HTTP2", *Requests*).
    pub(super) fn http_status(&self) -> StatusCode {
        match self {
            Self::NotGrpc(not) => not.kind().http_status(),
            Self::BadTimeout(_) | Self::Expired(_) => StatusCode::OK,
        }
    }
}

// ===== impl NotGrpc =====

impl NotGrpc {
    pub(super) fn check<B>(request: &Request<B>) -> Result<(), Self> {
        if request.method() != Method::POST {
            Err(Self::Method)
        } else if !is_grpc(request.headers()) {
            Err(Self::ContentType)
        } else {
            Ok(())
        }
    }
}

impl fmt::Display for NotGrpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Method => "this is a gRPC server: call its methods by POST",
            Self::ContentType => "this is a gRPC server: send content-type application/grpc",
        })
    }
}

impl Error for NotGrpc {}

impl Fault for NotGrpc {
    fn kind(&self) -> Kind {
        match self {
            Self::Method => Kind::MethodNotAllowed,
            Self::ContentType => Kind::UnsupportedMediaType,
        }
    }

    fn refused(&self) -> bool {
        true
    }

    fn describe(&self, details: &mut Details) {
        if let Self::Method = self {
            details.header(ALLOW, HeaderValue::from_static("POST"));
        }
    }
}

/// Says whether the content type is `application/grpc`, with a codec
/// (`+proto`) or parameters, but not of another protocol
/// (`application/grpc-web`).
fn is_grpc(headers: &HeaderMap) -> bool {
    const GRPC: &[u8] = b"application/grpc";

    let Some(value) = headers.get(CONTENT_TYPE) else { return false };
    value.as_bytes().split_at_checked(GRPC.len()).is_some_and(|(start, rest)| {
        start.eq_ignore_ascii_case(GRPC) && matches!(rest.first(), None | Some(b'+' | b';'))
    })
}
