//! Where metrics are pushed to: statsd, Graphite, InfluxDB, OpenTelemetry,
//! CloudWatch.
//!
//! An exporter is an [`Export`]: it is given a [`Reading`] of the whole
//! registry at each tick of a [`Push`], and sends what the server must hear.
//! Nothing is written down for each event, so a registry that is pushed costs
//! no more than one that is scraped, and memory is bounded by the number of
//! series, whatever becomes of the server.
//!
//! ```no_run
//! use kit_metrics::{Registry, export::{Error, Export, Push}, registry::Reading};
//! use std::time::Duration;
//!
//! /// Tells how many metrics there are.
//! struct Log;
//!
//! impl Export for Log {
//!     async fn export(&mut self, reading: &Reading) -> Result<(), Error> {
//!         println!("{} metrics", reading.metrics.len());
//!         Ok(())
//!     }
//! }
//!
//! # async fn run(shutdown: tokio::sync::oneshot::Receiver<()>) {
//! let registry = Registry::new();
//! let push = Push::new(registry.clone(), Log)
//!     .every(Duration::from_secs(10))
//!     .on_event(|event| eprintln!("metrics: {event}"));
//! // The push says how it is, by any exporter that works.
//! registry.collect(push.status());
//! let flushed = push.run(async { drop(shutdown.await) }).await;
//! # drop(flushed);
//! # }
//! ```
//!
//! Several are several pushes of one registry: none hears of the others.
//!
//! # When the server is away
//!
//! An export has a [limit](Push::limit) in time; one that fails is left at that
//! until the next tick. What that costs depends on what the protocol can tell:
//!
//! | exporter | sends | while the server is away | twice? |
//! |---|---|---|---|
//! | `statsd`, `dogstatsd` | what was added since the last write that succeeded | it adds up, where the failure is seen; what UDP loses in silence is lost | no |
//! | `graphite`, `influx` | points with their times | points are kept, the oldest given up first, and sent after | no: the same point at the same time is the same |
//! | `otlp` | all there ever was, and since when | nothing is lost but the points between | no |
//! | `cloudwatch` | what was added since the last write that succeeded | it adds up | only where an answer is lost |
//!
//! # Features
//!
//! Each exporter is a feature of its own: `statsd`, `dogstatsd`, `graphite`,
//! `influx`, `otlp`, `cloudwatch`. [`Export`] and [`Push`] are always there.

#[cfg(any(feature = "graphite", feature = "influx"))]
mod backlog;
#[cfg(any(
    feature = "statsd",
    feature = "dogstatsd",
    feature = "graphite",
    feature = "influx",
    feature = "cloudwatch"
))]
mod delta;
mod error;
#[cfg(any(feature = "statsd", feature = "dogstatsd", feature = "graphite"))]
mod escape;
#[cfg(any(feature = "statsd", feature = "dogstatsd", feature = "graphite", feature = "influx"))]
mod estimate;
mod event;
#[cfg(any(feature = "statsd", feature = "dogstatsd"))]
mod lines;
mod push;
#[cfg(any(feature = "graphite", feature = "influx"))]
mod quantiles;
mod status;

#[cfg(feature = "cloudwatch")]
pub mod cloudwatch;
#[cfg(any(feature = "statsd", feature = "dogstatsd", feature = "influx"))]
mod datagram;
#[cfg(feature = "dogstatsd")]
pub mod dogstatsd;
#[cfg(feature = "graphite")]
pub mod graphite;
#[cfg(any(feature = "influx", feature = "otlp"))]
pub mod http;
#[cfg(feature = "influx")]
pub mod influx;
#[cfg(feature = "otlp")]
pub mod otlp;
#[cfg(any(feature = "statsd", feature = "dogstatsd", feature = "cloudwatch"))]
mod sample;
#[cfg(feature = "statsd")]
pub mod statsd;

pub use self::{error::Error, event::Event, push::Push, status::Status};
use crate::registry::Reading;

/// Sends readings of a registry to where they are kept.
///
/// One that sends what was added since the last time counts it as sent only
/// once its write succeeded, and must expect that the future is dropped at any
/// await: a [`Push`] does so when its time is over.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an exporter of metrics",
    note = "those of kit-metrics are features: `statsd`, `graphite`, `otlp` and others"
)]
pub trait Export: Send {
    /// Sends `reading`, which is newer than any before it.
    ///
    /// # Errors
    ///
    /// When not all of it was written. What was not is part of a later one,
    /// unless [`dropped`](Self::dropped) counts it.
    fn export(&mut self, reading: &Reading) -> impl Future<Output = Result<(), Error>> + Send;

    /// Returns how many points were given up so far: by a bound on what is
    /// kept, or since the server refused them for good.
    fn dropped(&self) -> u64 {
        0
    }
}
