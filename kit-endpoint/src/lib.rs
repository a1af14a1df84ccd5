//! One RPC, whatever carries it.
//!
//! An [`Endpoint`] is any cloneable [`tower_service::Service`] from
//! [`Request<T>`] to a reply, so every tower layer fits it. A [`Request`] is a
//! message and what travels with it: a deadline, and typed extensions. A
//! [`Fault`] is an error that knows what [`Kind`] of failure it is, and that
//! is all a transport, a breaker or a metric needs to know of it.
//!
//! ```
//! use kit_endpoint::{CatchPanicLayer, DeadlineLayer, Endpoint, Fault, Kind, Request};
//! use std::time::Duration;
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! #[derive(Debug, thiserror::Error)]
//! enum Error {
//!     #[error("the name is empty: say whom to greet")]
//!     EmptyName,
//!     #[error(transparent)]
//!     Expired(#[from] kit_endpoint::Expired),
//!     #[error(transparent)]
//!     Panicked(#[from] kit_endpoint::Panicked),
//! }
//!
//! impl Fault for Error {
//!     fn inner(&self) -> Option<&dyn Fault> {
//!         match self {
//!             Self::EmptyName => None,
//!             Self::Expired(fact) => Some(fact),
//!             Self::Panicked(fact) => Some(fact),
//!         }
//!     }
//!
//!     fn kind(&self) -> Kind {
//!         self.inner().map_or(Kind::InvalidArgument, Fault::kind)
//!     }
//! }
//!
//! async fn hello(request: Request<String>) -> Result<String, Error> {
//!     let name = request.into_message();
//!     if name.is_empty() { Err(Error::EmptyName) } else { Ok(format!("Hello, {name}!")) }
//! }
//!
//! fn endpoint() -> impl Endpoint<String, Response = String, Error = Error> {
//!     ServiceBuilder::new()
//!         .layer(DeadlineLayer::of_request().default(Duration::from_secs(5)))
//!         .layer(CatchPanicLayer::new())
//!         .service_fn(hello)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let reply = endpoint().oneshot(Request::new("Ada".to_owned())).await;
//! assert_eq!(reply.unwrap(), "Hello, Ada!");
//! # }
//! ```
//!
//! # What layers share
//!
//! A layer that refuses takes a fact (`S::Error: From<Fact>`, by [`AsError`])
//! or a function of it ([`Refuse`]), so that it fits services that are not
//! ours; [`AsHttp`] and [`AsGrpc`] are ready-made. A layer that judges takes a
//! [`Classify`], one that names failures a [`KindOf`]; one that lasts until the end of a stream, an [`Until`]. How much
//! a request matters is its [`Criticality`]. What a component knows it tells an
//! [`Inspector`].
//!
//! # Features
//!
//! `boxed`: `BoxEndpoint`, an endpoint whose type is erased.

mod body_cut;
pub mod catch_panic;
mod classify;
mod criticality;
pub mod deadline;
mod details;
mod endpoint;
mod fault;
mod guarded;
mod inspect;
mod kind;
mod kind_of;
mod peer;
mod problem;
mod refuse;
mod request;
mod resent;
mod tls_identity;
mod until;

#[cfg(feature = "boxed")]
pub use self::endpoint::BoxEndpoint;
pub use self::{
    body_cut::BodyCut,
    catch_panic::{CatchPanic, CatchPanicLayer, Panicked},
    classify::{AnyError, Classify, ClassifyEnd, GrpcStatus, HttpStatus, Judgement, ServerFaults},
    criticality::{BadCriticality, Criticality},
    deadline::{Deadline, DeadlineLayer, Expired},
    details::{Details, Quota, Violation},
    endpoint::Endpoint,
    fault::Fault,
    guarded::{Guard, Guarded},
    inspect::{Inspect, Inspector},
    kind::{Kind, UnknownKind},
    kind_of::{KindOf, KindOfEnd},
    peer::Peer,
    problem::Problem,
    refuse::{AsError, AsGrpc, AsHttp, Refuse},
    request::{Carries, Expires, Request},
    resent::Resent,
    tls_identity::TlsIdentity,
    until::{Judge, Settle, Until, UntilBodyEnd, UntilReply, UntilStreamEnd},
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
