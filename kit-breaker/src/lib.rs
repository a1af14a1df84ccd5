//! A circuit breaker: stop asking a service that keeps failing.
//!
//! A [`Breaker`] counts what calls show. When too many failed in a row, or too
//! many of the last ones failed or were slow, the circuit opens: requests fail at
//! once with [`Open`], and the failing service is left alone. After a cooldown a
//! probe is let through; its success closes the circuit, its failure opens it
//! again, for longer each time.
//!
//! ```text
//!           limits reached            cooldown over
//! [closed] ----------------> [open] ----------------> [half-open]
//!     ^                        ^                        |    |
//!     |                        +----- a probe failed ---+    |
//!     +-------------------- the probes succeeded ------------+
//! ```
//!
//! What a call shows, a [`Classify`] says. By default a failure is a fault of the
//! service: five bad requests of one caller do not open the circuit for all. A
//! refusal from further inside and a call that is dropped show nothing, and a
//! probe that shows nothing gives its place back. A panic of the service is a
//! failure; one of a stream that it replied with shows nothing.
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
//! # When it opens, and for how long
//!
//! [`Limits`] say it. By default: five consecutive failures; a second, doubled to
//! a minute, with jitter; one probe. Rates of a [`Window`], of the last calls or of
//! the last seconds, are added by [`Limits::failure_rate`] and
//! [`Limits::slow_calls`]; [`Limits::hystrix`] and [`Limits::gobreaker`] are for
//! who comes from there. The semantics are those of linkerd's breaker (ten exact
//! buckets, 429 is no failure in a row but fails a probe, the pause that a reply
//! asks for) and resilience4j's (probes judged together, slow calls, states by
//! hand).
//!
//! A [`Circuit`] shows its [state](Circuit::state), its [window](Circuit::tally) and
//! its [changes](Circuit::changes), and can be [held open](Circuit::force_open),
//! [held closed](Circuit::force_closed), or made to [count
//! only](Circuit::metrics_only), to see what limits would do.
//!
//! # What it costs
//!
//! While it is closed a call holds the circuit and reads one word of it, for
//! failures in a row; a rate adds a place in a ring; a window of time one reading of the clock;
//! slow calls two. No lock, no allocation.
//!
//! # Beside it
//!
//! [`throttle`] rejects in proportion instead of all or nothing, [`fallback`]
//! answers something else, and the feature `keyed` brings a circuit for each of
//! many keys.
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
//! the probe's place, so call what you polled, or drop it. A handle that waits for
//! the inner service hears that the circuit opened when it is polled next; its
//! waker is the inner service's.
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
