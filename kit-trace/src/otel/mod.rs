//! Spans to OpenTelemetry: which are kept, and where they go.
//!
//! A [`Pipeline`] makes two things: [`Tracing`], whose layer records the spans of
//! `tracing`, and [`Exporting`], which sends them and which the program runs. Between
//! the two is a queue with a bound.
//!
//! ```
//! use kit_trace::{Sampling, ServerSpanLayer, otel::{Exporter, Pipeline, resource}};
//! use opentelemetry_sdk::{Resource, trace::SpanData};
//! use tracing_subscriber::{Layer, layer::SubscriberExt, registry, filter::LevelFilter};
//!
//! # struct Nowhere;
//! # impl Exporter for Nowhere {
//! #     type Error = std::convert::Infallible;
//! #     async fn export(&mut self, _: Vec<SpanData>, _: &Resource) -> Result<(), Self::Error> { Ok(()) }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # let collector = Nowhere;
//! let sampling = Sampling::ratio(0.01);
//! let spans = ServerSpanLayer::new().sampling(sampling.clone());
//! let pipeline = Pipeline::new(resource("greeter")).sampling(sampling);
//! let (tracing, exporting) = pipeline.export(collector);
//! let subscriber = registry().with(tracing.layer().with_filter(LevelFilter::INFO));
//! // `tracing::subscriber::set_global_default(subscriber)`, and in the program's group
//! let exporting = tokio::spawn(exporting.run());
//! # let _ = (spans, subscriber);
//! // ... and at the end, after the last request:
//! assert!(tracing.flush(std::time::Duration::from_secs(5)).await);
//! # exporting.abort();
//! # }
//! ```
//!
//! # A collector that is down
//!
//! ... or slow, or absent costs spans, and nothing else: what does not fit into the
//! queue is dropped at once, what cannot be sent is given up after what the exporter tries
//! (`Otlp` as often as its `tries`, within a batch's time), and both are counted
//! ([`Tracing`] tells an [`Inspector`](kit_endpoint::Inspector)).

pub(crate) mod bridge;
mod env;
mod export;
#[cfg(feature = "otlp")]
mod otlp;
mod sampling;
#[cfg(any(feature = "otlp", feature = "zipkin"))]
mod web;
#[cfg(feature = "zipkin")]
mod zipkin;

#[cfg(feature = "otlp")]
pub use self::otlp::{BadOtlp, Otlp, OtlpError};
#[cfg(feature = "zipkin")]
pub use self::zipkin::{Zipkin, ZipkinError};
pub use self::{
    env::{BadVariable, resource, resource_from_env},
    export::{Exporter, Exporting, Pipeline, Tracing},
};
pub use crate::Sampling;
