//! Endpoints over HTTP, server and client.
//!
//! A [`Server`] is an endpoint, a function that decodes its request and one
//! that encodes its reply. The result is a tower service of `http::Request`s
//! that cannot fail: mount it on axum's router, or serve it alone.
//!
//! ```
//! use kit_endpoint::{Fault, Kind, Request};
//! use kit_transport::RequestIds;
//! use kit_transport_http::{Server, json, query};
//! use tower::{ServiceExt, service_fn};
//!
//! #[derive(serde::Deserialize)]
//! struct Hello {
//!     name: String,
//! }
//!
//! #[derive(serde::Serialize)]
//! struct Greeting {
//!     greeting: String,
//! }
//!
//! #[derive(Debug, thiserror::Error)]
//! #[error("the name is empty: say whom to greet")]
//! struct EmptyName;
//!
//! impl Fault for EmptyName {
//!     fn kind(&self) -> Kind {
//!         Kind::InvalidArgument
//!     }
//! }
//!
//! async fn hello(request: Request<Hello>) -> Result<Greeting, EmptyName> {
//!     match request.into_message().name {
//!         name if name.is_empty() => Err(EmptyName),
//!         name => Ok(Greeting { greeting: format!("Hello, {name}!") }),
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let server = Server::new(service_fn(hello), query::decode, json::encode)
//!     .route("/greeting")
//!     .hook(RequestIds)
//!     .finally(|end| println!("{} in {:?}", end.outcome, end.duration));
//! let app = axum::Router::new().route_service("/greeting", server);
//!
//! let request = http::Request::get("/greeting?name=").body(axum::body::Body::empty()).unwrap();
//! let response = app.oneshot(request).await.unwrap();
//! assert_eq!(response.status(), 400);
//! assert_eq!(response.headers()["content-type"], "application/problem+json");
//! # }
//! ```
//!
//! # The steps
//!
//! Hooks see the head (`before`); the deadline is read; the body is collected,
//! up to a limit; the request is decoded; the endpoint is awaited, first to be
//! ready, then to reply; the reply is encoded, whole, before any of it is
//! sent; hooks see its headers (`after`), and at last how it all ended
//! (`finally`), once, when the connection took the last byte. A fault at any
//! step is heard by the hooks that ask for it (`kit_transport::hook::Faults`),
//! with all its sources, and then answered by the error encoder, which tells
//! less; `after` sees that too.
//!
//! A [`Client`] mirrors this, with the same hooks: encode, `before`, send,
//! `after`, read up to a limit, decode, `finally`.
//!
//! Codecs are synchronous functions of a whole message: those of [`json`] and
//! [`query`], of the features below, or your own. A message that comes of the
//! path, the query and the body at once is a function that calls three of
//! them. What cannot be read is a fault that names the field. A reply that is a
//! [`Reply`] says its own status and headers; [`negotiate`] picks codecs by
//! `Content-Type` and `Accept`. What needs HTTP itself is a layer around the
//! server.
//!
//! # Streams
//!
//! An endpoint may take a stream of messages, reply with one, or both, as over
//! gRPC: see [`Server`'s shapes](Server#streams). Of a call that is a stream hooks see one
//! request, whose end is that of the stream; [`stream`] says how a reader tells
//! a whole one from half of it.
//!
//! # Readiness
//!
//! A server is always ready, and takes a clone of the endpoint for each
//! request: a slow sender must not hold a permit of a limit. Put a layer that
//! sheds load on the endpoint where there is one that makes callers wait. A
//! client is as ready as the service that it calls over.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `json`, `query` | these codecs, by default |
//! | `form` | `application/x-www-form-urlencoded` bodies |
//! | `path` | parameters in the path: `/users/{id}` |
//! | `protobuf` | `application/x-protobuf` bodies, of prost's messages |
//! | `msgpack` | `application/msgpack` bodies |
//! | `json-lines` | streams of JSON lines, both ways |
//! | `sse` | streams of replies as server-sent events |
//! | `client` | a pooled hyper client to call with |
//! | `proxy` | a reverse proxy |
//! | `tls` | `https://` for it, by rustls |

mod bodiless;
mod client;
mod cut;
mod error;
#[cfg(any(feature = "form", feature = "json", feature = "msgpack", feature = "query"))]
mod field;
#[cfg(feature = "form")]
pub mod form;
mod gathered;
mod identity;
#[cfg(feature = "json")]
pub mod json;
#[cfg(feature = "json-lines")]
pub mod json_lines;
#[cfg(feature = "msgpack")]
pub mod msgpack;
pub mod negotiate;
#[cfg(feature = "path")]
pub mod path;
#[cfg(feature = "protobuf")]
pub mod protobuf;
#[cfg(feature = "proxy")]
pub mod proxy;
#[cfg(feature = "query")]
pub mod query;
mod refuse;
mod reply;
mod server;
pub mod shape;
#[cfg(feature = "sse")]
pub mod sse;
pub mod stream;
#[cfg(any(feature = "form", feature = "query"))]
mod urlencoded;

#[cfg(feature = "tls")]
pub use self::client::{BadCertificate, Tls};
#[cfg(feature = "client")]
pub use self::client::{Pool, PoolOptions, pool};
pub use self::{
    client::{
        CallError, CallFuture, Client, NotConnected, OpenFuture, Raw, RawBody, RawFuture,
        ReceivedProblem, Rejection, Replies, StreamClient,
    },
    error::{DecodeError, EncodeError, Failure, encode_problem, nothing},
    refuse::{Refused, refuse},
    reply::{Reply, as_reply},
    server::{ReplyBody, ResponseFuture, Server, StreamFuture},
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
