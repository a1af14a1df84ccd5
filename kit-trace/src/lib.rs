//! Where a call comes from and what became of it: spans, their propagation, and log lines.
//!
//! [`ServerSpanLayer`] reads whose child a request is, opens its span and puts a
//! [`TraceContext`] into its extensions; [`ClientSpanLayer`] opens a span for what is
//! asked of others on its behalf and writes the headers; [`SpanLayer`] is for an
//! endpoint between them. Each is plain tower. See [`span`] and [`propagation`].
//!
//! ```
//! use http::{Request, Response};
//! use kit_trace::{ServerSpanLayer, TraceContext};
//! use std::convert::Infallible;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # let _listening = tracing::subscriber::set_default(tracing_subscriber::registry());
//! let app = ServerSpanLayer::new().layer(service_fn(|request: Request<String>| async move {
//!     let context = request.extensions().get::<TraceContext>().unwrap();
//!     Ok::<_, Infallible>(Response::new(context.trace_id().to_string()))
//! }));
//! let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
//! let request = Request::get("/").header("traceparent", parent).body(String::new()).unwrap();
//! let reply = app.oneshot(request).await.unwrap();
//! assert_eq!(reply.body().get_ref(), "0af7651916cd43dd8448eb211c80319c");
//! # }
//! ```
//!
//! # Features
//!
//! `hook`: what kit's transports know, told to the span. `log`: log lines. `otel`: spans
//! to OpenTelemetry, with the ids that are propagated; `otlp` and `zipkin`: where they
//! are sent; `gzip`: OTLP, compressed.

mod bridge;
mod context;
#[cfg(feature = "hook")]
pub mod hook;
#[cfg(feature = "log")]
pub mod log;
#[cfg(feature = "otel")]
pub mod otel;
pub mod propagation;
mod sampling;
pub mod span;

pub use self::{
    context::{Flags, Ids, SpanId, TraceContext, TraceId, TraceState},
    propagation::{Baggage, W3c},
    sampling::Sampling,
    span::{ClientSpanLayer, ServerSpanLayer, SpanLayer, Trust},
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
