//! A panic fails one call, not the task that runs it.
//!
//! A [`CatchPanic`] turns a panic of the inner service, in `poll_ready`, in
//! `call` or in the future, into the fact [`Panicked`]: a failure of kind
//! [`Internal`](crate::Kind::Internal), which the caller sees as no more than
//! that. Without it the caller has no answer at all: over HTTP/1 hyper closes the
//! connection, over HTTP/2 it resets the stream, and a panic in `call` itself takes the
//! connection with all that is on it.
//!
//! ```
//! use kit_endpoint::{CatchPanicLayer, Panicked, Request};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! async fn buggy(request: Request<u32>) -> Result<u32, Panicked> {
//!     Ok(100 / request.message())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let endpoint = CatchPanicLayer::new().layer(service_fn(buggy));
//! let panicked = endpoint.oneshot(Request::new(0)).await.unwrap_err();
//! assert_eq!(panicked.message(), Some("attempt to divide by zero"));
//! # }
//! ```
//!
//! # Streams
//!
//! A reply that is a stream runs after the call, and so do its panics:
//! [`CatchPanicLayer::streaming`] makes them the last item of the stream.
//!
//! ```
//! use kit_endpoint::{CatchPanicLayer, Panicked, Request};
//! use tokio_stream::{StreamExt, iter};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let shares = service_fn(async |among: Request<Vec<u32>>| {
//!     Ok::<_, Panicked>(iter(among.into_message()).map(|people| Ok::<_, Panicked>(100 / people)))
//! });
//! let endpoint = CatchPanicLayer::new().streaming().layer(shares);
//! let mut shares = endpoint.oneshot(Request::new(vec![4, 0, 5])).await.unwrap();
//! assert_eq!(shares.next().await.unwrap().unwrap(), 25);
//! assert!(shares.next().await.unwrap().is_err());
//! assert!(shares.next().await.is_none());
//! # }
//! ```
//!
//! # Where it goes
//!
//! Directly around what may panic, inside breakers and metrics, so that these
//! see a failure. The panic hook has run before the fact exists: the message
//! and the place are on stderr or wherever the hook sends them.
//!
//! # Readiness
//!
//! That of the inner service. A service that panicked is called again: it
//! keeps whatever state it was left in, as a `Mutex` would be poisoned, so a
//! service that must not go on after a panic has to say so itself.

mod error;
pub mod future;
mod layer;
mod service;
mod stream;

pub use self::{
    error::Panicked,
    layer::CatchPanicLayer,
    service::CatchPanic,
    stream::{Catch, CatchPanicStream},
};
