//! Rate, errors and duration of any tower service, and a page of them for
//! Prometheus.
//!
//! Its parts, each useful alone:
//!
//! - [`RedLayer`] measures any service, ours or not, into any recorder of the
//!   [`metrics`] facade;
//! - [`HttpServer`] and [`GrpcServer`], [`HttpClient`] and [`GrpcClient`] record
//!   what a transport does under the names of OpenTelemetry's semantic
//!   conventions, by route, never by path;
//! - [`Registry`] is such a recorder, with fixed-bucket histograms, which anyone
//!   may [`read`](Registry::read). It asks components for what they know
//!   ([`Inspect`]) when it is read;
//! - [`Prometheus`] renders a registry as the page that Prometheus scrapes, in
//!   the text format or by OpenMetrics with exemplars;
//! - [`export`] sends a registry to where metrics are kept;
//! - [`Fanout`] records into several recorders, [`Discard`] into none.
//!
//! Recorders are arguments: nothing here is global, and nothing runs by
//! itself. Handles are registered before the first call that needs them, so a
//! call costs a few atomic operations.
//!
//! ```
//! use kit_metrics::{HttpStatus, Prometheus, RedLayer};
//! use std::convert::Infallible;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let metrics = Prometheus::new();
//! let red = RedLayer::new(metrics.clone(), "http_call", &[("route", "/teapot")]);
//! let service = ServiceBuilder::new()
//!     .layer(red.classify(HttpStatus))
//!     .service(service_fn(|_: http::Request<()>| async {
//!         Ok::<_, Infallible>(http::Response::builder().status(404).body(()).unwrap())
//!     }));
//! service.oneshot(http::Request::new(())).await.unwrap();
//!
//! let page = metrics.render();
//! let line = r#"http_call_duration_seconds_count{kind="NOT_FOUND",route="/teapot"} 1"#;
//! assert!(page.contains(line), "{page}");
//! # }
//! ```
//!
//! # Labels are bounded
//!
//! Label values come from what the program says (names, route templates) or
//! from small sets (kinds, statuses, known methods), never from what a caller
//! sends. Where a set could grow all the same it has a limit, and what comes
//! after falls into `other`.
//!
//! # Features
//!
//! - `hook`: [`HttpServer`], [`GrpcServer`], [`HttpClient`] and [`GrpcClient`]
//!   are hooks of `kit-transport`, so that a transport feeds them.
//! - `testing`: a recorder that keeps every value, for tests to ask.
//! - `conformance`: the suite that every exporter must pass, to run on one's own.
//! - one for each exporter: see [`export`].

pub mod client;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod export;
mod fanout;
#[cfg(feature = "hook")]
mod hook;
mod kind_of;
pub mod prometheus;
mod records;
pub mod red;
pub mod registry;
mod series;
pub mod server;
mod table;
#[cfg(feature = "testing")]
pub mod testing;
mod trace;

pub use kit_endpoint::{
    AnyError, Fault, GrpcStatus, HttpStatus, Inspect, Inspector, Kind, ServerFaults,
};
/// A recorder that records nothing.
pub use metrics::NoopRecorder as Discard;
pub use metrics::Recorder;

pub use self::{
    client::{GrpcClient, HttpClient},
    fanout::Fanout,
    kind_of::{KindOf, KindOfEnd},
    prometheus::Prometheus,
    red::{Red, RedLayer},
    registry::Registry,
    server::{GrpcServer, HttpServer},
    trace::{Trace, TraceOf, Traces, Untraced},
};

use self::records::DynRecorder;

/// What the facade wants to know of where a metric is registered.
const METADATA: metrics::Metadata<'static> =
    metrics::Metadata::new(env!("CARGO_CRATE_NAME"), metrics::Level::INFO, None);

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
