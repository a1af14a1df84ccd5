//! One line for each call of a service.
//!
//! A [`LogLayer`] fits any tower service, at a server or at a client, and logs each call
//! once, when it has ended, as an event of `tracing` under the target [`TARGET`]:
//!
//! | field | what |
//! |---|---|
//! | `call` | the name that the layer was given |
//! | `instance` | the one that it was given, for a client of one instance |
//! | `outcome` | `OK`, or the [`Kind`](kit_endpoint::Kind) of failure |
//! | `refused` | that a layer further inside refused it, and nothing ran |
//! | `duration_us` | from the call to its end, in microseconds |
//! | `request_id`, `trace_id`, `span_id` | of the request, if it was [asked](LogLayer::of_request) |
//! | `error` | what the fault says, with its sources |
//! | `left_out` | how many like it were not logged before, if calls are [sampled](LogLayer::sampling) |
//!
//! The level says who must act: error for what is broken (`INTERNAL`, `UNKNOWN`,
//! `DATA_LOSS`), warn for what passes, and what a caller can bring about by the time it
//! gives (`UNAVAILABLE`, `DEADLINE_EXCEEDED`), info for all else; a refusal is no error.
//! A call that is dropped before its end is `CANCELLED`, one that panics `INTERNAL`.
//!
//! ```
//! use kit_endpoint::{Expired, Request};
//! use kit_trace::log::LogLayer;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let hello = ServiceBuilder::new()
//!     .layer(LogLayer::new("greeting").of_request())
//!     .service(service_fn(async |name: Request<&'static str>| Ok::<_, Expired>(name.into_message())));
//! // target=call message=call call=greeting outcome=OK duration_us=12
//! assert_eq!(hello.oneshot(Request::new("Ada")).await.unwrap(), "Ada");
//! # }
//! ```
//!
//! # Where it goes
//!
//! Outermost, so that it sees what callers see. Behind a transport of kit's the access
//! log is the line of the request already; this one is for what has no transport, for
//! clients, and for steps in between.
//!
//! # How long a call lasts
//!
//! Until its reply is there; with [`streaming`](LogLayer::streaming) until the stream that
//! it replied with is over, and with [`until_body_end`](LogLayer::until_body_end) until the
//! body of its HTTP reply is. gRPC needs the latter, since its status comes last.
//!
//! # Readiness
//!
//! That of the inner service. An error of readiness is logged as a failed call of no
//! duration.
//!
//! # Cost
//!
//! While nobody listens, two atomic reads; else two reads of the clock and what the
//! subscriber costs. No lock and no allocation, but for the text of a fault.

pub mod future;
mod lasts;
mod layer;
mod line;
mod service;

pub use self::{
    lasts::{Ending, Lasts},
    layer::LogLayer,
    line::{About, Facts, Line, OfRequest, TARGET},
    service::Log,
};
