//! Endpoints over gRPC, server and client, on tonic.
//!
//! A server has two parts. A [`Server`] is one method, unary or of streams: it
//! decodes a message, calls an endpoint, encodes its reply, and maps its faults
//! to a status with the details of `google.rpc`. A [`GrpcLayer`] surrounds all
//! the methods of a port: it runs the hooks, for unknown methods too, keeps the
//! deadline that the caller set in `grpc-timeout`, and sees how each call really
//! ended, trailers included. Routing is axum's, which tonic's routes are made
//! of. A [`Client`] is an endpoint again, whose other side is another service.
//!
//! # Example
//!
//! ```
//! use kit_endpoint::{Fault, Kind, Request};
//! use kit_transport::{End, RequestIds};
//! use kit_transport_grpc::{GrpcLayer, Server};
//! use std::convert::Infallible;
//! use tonic::service::Routes;
//! use tower::{Layer, service_fn};
//! # #[derive(Clone, PartialEq, prost::Message)]
//! # struct GreetingRequest { #[prost(string, tag = "1")] name: String }
//! # #[derive(Clone, PartialEq, prost::Message)]
//! # struct GreetingResponse { #[prost(string, tag = "1")] greeting: String }
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
//! async fn greeting(request: Request<String>) -> Result<String, EmptyName> {
//!     let name = request.into_message();
//!     if name.is_empty() { Err(EmptyName) } else { Ok(format!("Hello, {name}!")) }
//! }
//!
//! fn decode(request: GreetingRequest) -> Result<String, Infallible> {
//!     Ok(request.name)
//! }
//!
//! fn encode(greeting: String) -> Result<GreetingResponse, Infallible> {
//!     Ok(GreetingResponse { greeting })
//! }
//!
//! let greeting = Server::new(service_fn(greeting), decode, encode);
//! let router = Routes::default()
//!     .into_axum_router()
//!     .route_service("/greeter.v1.Greeter/Greeting", greeting);
//! let service = GrpcLayer::new()
//!     .hook(RequestIds)
//!     .finally(|end: &End| println!("{} in {:?}", end.outcome, end.duration))
//!     .layer(router);
//! // `service` is a tower service of `http` messages, for any HTTP/2 server.
//! # let _ = service;
//! ```
//!
//! # Faults
//!
//! [`status()`] says what a fault is on the wire and [`kind`] what a status is
//! here; between peers of ours every [`Kind`](kit_endpoint::Kind) comes out as
//! it went in. Faults of the service show the caller no more than the phrase
//! of their kind; what they say, with all sources, goes to the hooks: the fault
//! itself and the step it came at, to
//! [`Observer::fault`](kit_transport::Observer::fault), its words in
//! [`End::error`](kit_transport::End::error). Of a hand-written handler there is
//! a status, and so an end, but no fault.
//!
//! # Streams
//!
//! An endpoint of a streaming method is an endpoint: one that streams its
//! replies responds with a `Stream` of `Result<Item, E>`, one that takes a
//! stream finds it as the message, [`server::Incoming`]. [`Server`] serves
//! them by [`server_streaming`](Server::server_streaming),
//! [`client_streaming`](Server::client_streaming) and [`bidi`](Server::bidi). A
//! fault amid the stream is the status of its trailers; a peer that leaves
//! drops the endpoint's stream, and so does the deadline.
//!
//! A [`Client`] has the same shapes, and what it replies with is a stream of
//! the same form, [`client::Replies`]. Dropped, it cancels the call.
//!
//! # Generated servers
//!
//! What tonic generates of a `.proto`'s services is not needed, but fits: the
//! methods of a generated trait call a [`Server`] by [`Unary`],
//! [`ServerStreaming`], [`ClientStreaming`] and [`Bidi`]. The `Replies` of these
//! are what `type GreetingsStream` is to be.
//!
//! ```
//! use kit_transport_grpc::Unary;
//! # mod pb {
//! #     include!("../tests/support/pb.rs");
//! # }
//! use pb::{GreetingRequest, GreetingResponse, greeter_server};
//!
//! struct Greeter<S>(S);
//!
//! #[tonic::async_trait]
//! impl<S: Unary<GreetingRequest, GreetingResponse>> greeter_server::Greeter for Greeter<S> {
//!     async fn greeting(
//!         &self,
//!         request: tonic::Request<GreetingRequest>,
//!     ) -> Result<tonic::Response<GreetingResponse>, tonic::Status> {
//!         self.0.serve(request).await
//!     }
//! }
//! ```
//!
//! # Metadata
//!
//! Of a request it is the `headers` of [`Call`](kit_transport::Call), which a
//! hook reads. Of a reply, hooks write what all methods send; an endpoint says
//! its own, initial and trailing, in [`ReplyMetadata`]; a fault describes it.
//!
//! What comes back beside the reply to a [`Client`] is in the
//! [`ReceivedMetadata`] that the caller put among the extensions.
//!
//! # Limits and compression
//!
//! They are set on the [`Server`] and on the [`Client`]
//! (`.max_decoding_message_size(65536)`, `.accept_compressed(..)`,
//! `.send_compressed(..)`), and under a generated server on that. By default messages of up to 4 MiB are read, and none is
//! compressed.
//!
//! # Requests that no method reads
//!
//! Not all that arrives reaches a [`Server`]; the layer sees to the rest, and
//! the hooks hear of it:
//!
//! | the request | answered | [`End::outcome`](kit_transport::End::outcome) |
//! |---|---|---|
//! | not a `POST` | HTTP 405, `allow` | `METHOD_NOT_ALLOWED` |
//! | no `application/grpc`, or gRPC-Web | HTTP 415 | `UNSUPPORTED_MEDIA_TYPE` |
//! | unknown method | `UNIMPLEMENTED`, in words | `UNIMPLEMENTED` |
//! | no message, half of one, bad protobuf | `INVALID_ARGUMENT` (bare tonic: `INTERNAL`) | `INVALID_ARGUMENT` |
//! | a message over tonic's limit | `RESOURCE_EXHAUSTED` (bare tonic: `OUT_OF_RANGE`) | `PAYLOAD_TOO_LARGE` |
//! | the peer leaves while it sends | nobody listens | `CANCELLED` |
//!
//! Tonic's own answers are known by their words, and by nothing else; what a
//! handler passes on from another service is left as it is. That of an unknown
//! method has no words: a handler's own bare `UNIMPLEMENTED`, without a message,
//! details or metadata, is taken for one, so say what is missing. A stream of
//! requests is the handler's to read: there the same failures are a
//! [`server::ReadError`], of the same kinds. The codes of a stream of replies
//! that has begun are the handler's too.
//!
//! # Deadlines
//!
//! The layer reads `grpc-timeout` (and `x-request-timeout-ms`), refuses work
//! that has expired, and when the time is up drops the handler and answers
//! `DEADLINE_EXCEEDED`, also in the middle of a stream. A header that cannot be
//! read is `INVALID_ARGUMENT`. Time-outs of the server's own are
//! `kit_endpoint`'s `DeadlineLayer`, around the endpoint (`.streaming()`, for a
//! stream of replies); to the caller they look the same.
//!
//! # Where it goes
//!
//! The layer goes around all gRPC services of a port, outermost but for what
//! needs all of HTTP. Layers on the endpoint see the message and the typed
//! fault; layers between the two see neither, and seldom make sense.
//!
//! # Readiness
//!
//! The layer's is the inner service's; a `Server` is always ready; a client's
//! is its channel's.
//!
//! # Features
//!
//! - `channel`: a channel with a limit on connecting. A client over it, or over any
//!   connection of hyper's, then also knows what was never sent, and resets with `CANCEL`
//!   what it gives up amid its requests.
//! - `gzip`: messages compressed by gzip, where servers and clients ask for it.
//! - `health`: `grpc.health.v1`, fed by readiness.
//! - `reflection`: server reflection, v1 and v1alpha.
//! - `routes`: the two of them, mounted in tonic's `Routes`.

#[cfg(feature = "channel")]
mod channel;
pub mod client;
pub mod edge;
#[cfg(feature = "health")]
pub mod health;
#[cfg(feature = "reflection")]
mod reflection;
#[cfg(feature = "routes")]
mod routes;
pub mod server;
pub mod shape;
mod status;
mod too_large;
mod whole;

#[cfg(feature = "channel")]
pub use self::channel::{BadAddress, CONNECT_TIMEOUT, channel};
#[cfg(feature = "health")]
pub use self::health::Health;
#[cfg(feature = "reflection")]
pub use self::reflection::{BadDescriptor, reflection};
#[cfg(feature = "routes")]
pub use self::routes::routes;
pub use self::{
    client::{CallError, Client, ReceivedMetadata, Rejection},
    edge::{Grpc, GrpcLayer, ReplyMetadata},
    server::{Bidi, ClientStreaming, Server, ServerStreaming, Unary},
    status::{EncodeError, KIND_DOMAIN, KIND_KEY, Rich, code, details, kind, status},
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
