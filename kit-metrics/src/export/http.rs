//! How exporters speak HTTP.

use super::Error;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::{Client as Hyper, connect::HttpConnector},
    rt::TokioExecutor,
};
use std::future::poll_fn;
use tower_service::Service;

/// The client unless you give another: plain HTTP/1.1, for a collector on this
/// machine or in this network.
///
/// With TLS, give the exporter a client of hyper-util with `hyper-rustls`'
/// connector, or any other service.
pub type Client = Hyper<HttpConnector, Full<Bytes>>;

/// How much is read of an answer.
const ANSWER: usize = 64 * 1024;

/// How much of it is shown.
const SHOWN: usize = 512;

/// Makes the plain client.
pub(super) fn client() -> Client {
    Hyper::builder(TokioExecutor::new()).build_http()
}

/// Sends a request, and reads the answer.
pub(super) async fn send<S, B>(
    service: &mut S,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), Error>
where
    S: Service<Request<Full<Bytes>>, Response = http::Response<B>>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    poll_fn(|cx| service.poll_ready(cx)).await.map_err(Error::other)?;
    let answer = service.call(request).await.map_err(Error::other)?;
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, ANSWER).collect().await.map_err(Error::Other)?.to_bytes();
    Ok((head.status, body))
}

/// Says that a server refused.
pub(super) fn refused(status: StatusCode, answer: &[u8]) -> Error {
    let shown = &answer[..answer.len().min(SHOWN)];
    let message = String::from_utf8_lossy(shown).trim().replace(['\r', '\n'], " ");
    Error::Refused { status: status.to_string(), message }
}
