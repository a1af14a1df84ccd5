//! A circuit breaker: stop asking a service that keeps failing.
//!
//! A [`Breaker`] counts consecutive failures. At the limit the circuit opens:
//! requests fail at once with [`Open`], and the failing service is left alone.
//! After a cooldown one request is let through as a probe; its success closes
//! the circuit, its failure opens it again.
//!
//! ```text
//!           limit failures            cooldown over
//! [closed] ----------------> [open] ----------------> [half-open]
//!     ^                        ^                        |    |
//!     |                        +----- probe failed -----+    |
//!     +--------------------- probe succeeded ----------------+
//! ```
//!
//! What a failure is, a [`Classify`] says. By default it is a fault of the
//! service: five bad requests of one caller do not open the circuit for all.
//! A call that is dropped counts neither way, and a probe that is dropped
//! gives its place back.
//!
//! ```
//! use kit_breaker::{AnyError, BreakerLayer, Circuit, Limits, Open, State};
//! use std::time::Duration;
//! use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let limits = Limits::default().failures(2);
//! let circuit = Circuit::new("billing", limits);
//! let billing = ServiceBuilder::new()
//!     .layer(BreakerLayer::shared(circuit.clone()).classify(AnyError))
//!     .service(service_fn(|_: ()| async { Err::<(), BoxError>("connection refused".into()) }));
//!
//! for _ in 0..2 {
//!     billing.clone().oneshot(()).await.unwrap_err();
//! }
//! assert_eq!(circuit.state(), State::Open);
//! let refused = billing.oneshot(()).await.unwrap_err();
//! assert!(refused.is::<Open>(), "{refused}");
//! # }
//! ```
//!
//! # Where it goes
//!
//! On a client inside retry, one per instance, so that a retry goes elsewhere
//! ([`Fault::refused`](kit_endpoint::Fault::refused) says that it may); on a
//! server around what it depends on. Inside metrics, which shall see refusals;
//! outside whatever turns a failure into something else. A deadline inside it
//! makes slow calls failures; a limit outside it is not counted as one.
//!
//! # Readiness
//!
//! While the circuit is open a breaker is ready and asks nothing of the inner
//! service, which may be pending because it is down. Else `poll_ready` takes
//! the admission and then asks the inner service; `call` spends it, and a drop
//! gives it back. The circuit is shared by clones, the admission belongs to
//! one handle: one that was polled ready while half-open and then idles keeps
//! the probe's place, so call what you polled, or drop it.
//!
//! # Services that are not ours
//!
//! Every tower service can be wrapped. If its error cannot be made from
//! [`Open`], say by [`BreakerLayer::refuse`] what it answers: [`AsHttp`] and
//! [`AsGrpc`] are ready-made, a function serves everywhere. [`HttpStatus`]
//! counts 5xx replies, [`GrpcStatus`] gRPC's statuses, which come at the end:
//! [`BreakerLayer::until_body_end`]. The examples show axum, tonic on both
//! sides, reqwest and plain tower.

mod change;
mod circuit;
mod control;
mod error;
pub mod fallback;
pub mod future;
mod gate;
#[cfg(feature = "keyed")]
pub mod keyed;
mod layer;
mod limits;
mod permit;
mod service;
mod state;
mod sync;
pub mod throttle;
mod window;

pub use kit_endpoint::{
    AnyError, AsError, AsGrpc, AsHttp, Classify, ClassifyEnd, GrpcStatus, HttpStatus, Inspect,
    Inspector, Judgement, Refuse, ServerFaults,
};

pub use self::{
    change::{Change, Reason},
    circuit::{Circuit, CircuitBuilder},
    error::Open,
    fallback::{Fallback, FallbackLayer},
    layer::BreakerLayer,
    limits::{Limits, Probes, Window},
    permit::Permit,
    service::Breaker,
    state::State,
    throttle::{Throttle, ThrottleLayer},
    window::Tally,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
