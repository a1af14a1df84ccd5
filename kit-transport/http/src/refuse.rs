use crate::{Server, nothing};
use bytes::Bytes;
use http::{Request, Response};
use kit_endpoint::{self as kit, Endpoint, Fault, Kind};
use std::{convert::Infallible, error, fmt};
use tower::service_fn;

/// Why a request was refused without being looked at: see [`refuse`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    kind: Kind,
    detail: &'static str,
}

type Decode = fn(&Request<Bytes>) -> Result<(), Infallible>;
type Encode = fn(Infallible) -> Result<Response<Bytes>, Infallible>;

/// Returns a server that answers every request with the same failure: what a
/// router falls back to, so that a wrong path and a wrong method are problem
/// details, seen by the same hooks as the rest.
///
/// `detail` tells the caller what to do instead. It never reads a body.
///
/// ```
/// use axum::{Router, routing::get};
/// use kit_endpoint::Kind;
/// use kit_transport_http::refuse;
///
/// let wrong_method = refuse(Kind::MethodNotAllowed, "this is only read: use GET");
/// let app: Router = Router::new()
///     .route("/", get(|| async { "hello" }).fallback_service(wrong_method))
///     .fallback_service(refuse(Kind::NotFound, "there is only /"));
/// # let _ = app;
/// ```
#[must_use]
pub fn refuse(
    kind: Kind,
    detail: &'static str,
) -> Server<impl Endpoint<(), Response = Infallible, Error = Refused>, Decode, Encode> {
    let refused = Refused { kind, detail };
    let endpoint = service_fn(move |_: kit::Request<()>| async move { Err(refused) });
    let encode: Encode = |never| match never {};
    Server::new(endpoint, nothing as Decode, encode).unread()
}

// ===== impl Refused =====

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail)
    }
}

impl error::Error for Refused {}

impl Fault for Refused {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn refused(&self) -> bool {
        true
    }
}
