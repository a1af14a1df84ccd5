//! Rate, errors and duration of a service, and how many calls are in flight.
//!
//! A [`Red`] measures each call of a service into two metrics on a recorder
//! of the `metrics` facade, under a name that you choose:
//!
//! | metric | type | labels |
//! |---|---|---|
//! | `NAME_duration_seconds` | histogram | yours, and `kind`: `OK` or the name of the [`Kind`](crate::Kind) of failure |
//! | `NAME_in_flight` | gauge | yours |
//!
//! The histogram counts too, so it is all three of rate
//! (`NAME_duration_seconds_count`), errors (the same, by `kind`) and duration.
//! A call that is dropped before its end counts as `CANCELLED`, one that
//! panics as `INTERNAL`.
//!
//! ```
//! use kit_metrics::{AnyError, Prometheus, RedLayer};
//! use std::num::ParseIntError;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let metrics = Prometheus::new();
//! let red = RedLayer::new(metrics.clone(), "parser_call", &[("method", "number")]);
//! let parser = ServiceBuilder::new()
//!     .layer(red.classify(AnyError))
//!     .service(service_fn(|text: &'static str| async { text.parse::<u16>() }));
//!
//! let result: Result<u16, ParseIntError> = parser.oneshot("twelve").await;
//! assert!(result.is_err());
//! let page = metrics.render();
//! let errors = r#"parser_call_duration_seconds_count{kind="UNKNOWN",method="number"} 1"#;
//! assert!(page.contains(errors), "{page}");
//! # }
//! ```
//!
//! # Where it goes
//!
//! Outermost, so that it sees what callers see, refusals of breakers and
//! limits included; a second one, under another name, inside them shows what
//! the service itself did.
//!
//! # How long a call lasts
//!
//! Until its reply is there; with [`streaming`](RedLayer::streaming) until the
//! stream that it replied with is over, and with
//! [`until_body_end`](RedLayer::until_body_end) until the body of its HTTP
//! reply is. gRPC needs the latter, since its status comes last.
//!
//! # Readiness
//!
//! That of the inner service, and it is not measured: the time runs from
//! `call`. An error of readiness counts as a failed call of no duration.
//!
//! # Cost
//!
//! Two reads of the clock and, into a [`Registry`](crate::Registry), four atomic
//! operations: two keep what the call records into, which is what calls in
//! flight are counted by, two record it. Another recorder is told twice of each
//! call in flight. No lock, and no allocation but for a call whose
//! trace is an exemplar; the first failure of each kind registers its
//! histogram.

mod calls;
pub mod future;
mod lasts;
mod layer;
mod service;

pub use self::{
    calls::Call,
    lasts::{Ending, Lasts},
    layer::RedLayer,
    service::Red,
};
