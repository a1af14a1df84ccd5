//! A reverse proxy: requests go on to an upstream, and its replies come back,
//! bodies as they come in both directions (Go kit's `httprp`).
//!
//! ```
//! use axum::{Router, body::Body, routing::get};
//! use kit_transport::RequestIds;
//! use kit_transport_http::proxy::Proxy;
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! // In place of a `Pool` of this crate's feature `client`, and of what it calls:
//! let upstream = Router::new().route("/v1/greeting", get(|| async { "Hello!" }));
//! let upstream = upstream.into_service().map_request(|request: http::Request<_>| {
//!     request.map(Body::new)
//! });
//!
//! let uri = http::Uri::from_static("http://greeter.internal:9110/v1");
//! let proxy = Proxy::new(uri, upstream).unwrap().hook(RequestIds).route("/greeting");
//! let app: Router = Router::new().route_service("/greeting", proxy);
//!
//! let request = http::Request::get("/greeting").body(Body::empty()).unwrap();
//! let response = app.oneshot(request).await.unwrap();
//! assert_eq!(response.status(), 200);
//! assert!(response.headers().contains_key("x-request-id"));
//! # }
//! ```
//!
//! # What goes on
//!
//! The path is joined to the upstream's, the query follows the upstream's. A
//! path with a segment `..`, escaped or not, with parameters (`..;a=b`) or
//! without, is refused: it would leave the base. `Host` names the upstream.
//!
//! Headers of one connection alone stay behind (RFC 9110, section 7.6.1):
//! `Connection` and what it names, `Keep-Alive`, `Proxy-Connection`,
//! `Proxy-Authenticate`, `Proxy-Authorization`, `Proxy-Authentication-Info`,
//! `TE` but for `trailers`, `Transfer-Encoding`, with the `Content-Length` that
//! it overrides, and `Upgrade`. `Trailer` goes on, since trailers do, without
//! what the proxy decides of headers: those above, `Content-Length`, `Host`, the
//! forwarded ones and the request id. Fields of `Cookie` become one, and a GET
//! whose body has no known length goes on with it, chunked over HTTP/1.
//!
//! `X-Forwarded-For` is the address of the peer, `X-Forwarded-Host` the `Host`
//! that was asked for, `X-Forwarded-Proto` what [`Proxy::proto`] says. What the
//! caller claims there, or in `Forwarded`, is dropped, unless the proxy stands
//! behind another that is [trusted](Proxy::trusting_forwarded).
//!
//! The deadline goes on as what is left of it, and bounds the reply to its last
//! byte; the request id, if a hook gave one, takes the place of the caller's.
//!
//! **Without a deadline only the head of a reply is bounded**, by
//! [`Proxy::reply_timeout`]: a body that stalls is waited for until the upstream,
//! the connection to it, or the caller gives up. Where callers send no deadline,
//! give one: a [hook](Proxy::before) may put [`Expires`] into the extensions.
//!
//! [`Expires`]: kit_endpoint::Expires
//!
//! # Failures
//!
//! A reply of the upstream comes back as it is, whatever its status. What has no
//! reply is [`Unproxied`], answered with problem details: 502 where there is no
//! connection or it broke, 504 where the upstream or the deadline was too
//! slow. A reply that breaks off later breaks off for the caller too, so that
//! it is not taken for a whole one; hooks hear which of the two it was.
//!
//! # What it does not do
//!
//! It does not upgrade: a request to switch to another protocol (WebSocket)
//! goes on as the plain request that it is as well, and `CONNECT` is refused.
//! It follows no redirect, and tries nothing again: layers around `S` may.

mod body;
mod future;
mod headers;
mod service;
mod unproxied;
mod upstream;

pub use self::{
    body::{Forwarded, ProxyBody},
    future::ProxyFuture,
    service::Proxy,
    unproxied::{Unproxied, encode_problem},
    upstream::BadUpstream,
};
