//! Work ends when nobody waits for it any more.
//!
//! A [`Deadline`] refuses work that is already expired, or hopeless because
//! less time is left than it needs at the least; cancels, by drop, work that
//! the deadline overtakes; and lets a reply that is ready through, whatever
//! the clock says. Every refusal is the fact [`Expired`].
//!
//! ```
//! use kit_endpoint::{DeadlineLayer, Expired, Request};
//! use std::time::Duration;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! async fn slow(_: Request<()>) -> Result<(), Expired> {
//!     std::future::pending().await
//! }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! // The caller's deadline, or 5 s where it set none; not worth starting under 10 ms.
//! let deadline = DeadlineLayer::of_request()
//!     .default(Duration::from_secs(5))
//!     .floor(Duration::from_millis(10));
//! let expired = deadline.layer(service_fn(slow)).oneshot(Request::new(())).await.unwrap_err();
//! assert!(expired.ran());
//! # }
//! ```
//!
//! # Where it goes
//!
//! Outermost on a server's endpoint, so that everything inside is bounded;
//! inside retry on a client, once per attempt, with retry bounding the whole.
//!
//! # Readiness
//!
//! That of the inner service, for which it waits without a bound: the time
//! runs from `call`. A transport asks for readiness once per request, so put
//! whatever makes callers wait (a concurrency limit) behind something that
//! sheds load. A refusal leaves the inner service ready and not called.

mod error;
pub mod future;
mod layer;
mod service;
mod stream;

pub use self::{
    error::Expired,
    layer::{DeadlineLayer, Expiry, OfRequest, Within},
    service::Deadline,
    stream::{Bound, DeadlineStream},
};
