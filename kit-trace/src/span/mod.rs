//! Spans: what is open while a call lasts, and whose ids go on.
//!
//! | | around | its span |
//! |---|---|---|
//! | [`ServerSpanLayer`] | any `Service<http::Request<B>>` that serves: axum, hyper, tonic | `server`, from the head to the end of the body |
//! | [`ClientSpanLayer`] | any `Service<http::Request<B>>` that calls: a pool, reqwest, tonic's channel | `client`, and its headers say whose child the server's is |
//! | [`SpanLayer`] | any service | `internal`: an endpoint, a step |
//!
//! Names and attributes are those of OpenTelemetry's semantic conventions for HTTP and
//! RPC (1.4x). gRPC is known by its content type.
//!
//! # What a span that nobody wants costs
//!
//! Where the subscriber disables the span (none is installed, or its filter has
//! `kit_trace=off`), or [`enabled`](ServerSpanLayer::enabled) says no, no id is made and
//! nothing is recorded. The context that came with the request goes on all the same, as
//! it came, so that a service that records nothing breaks nobody's trace.
//!
//! # Readiness
//!
//! Each is ready when what is inside is.

mod body;
mod client;
mod end;
mod errors;
mod internal;
mod message;
mod server;
mod trust;

pub use self::{
    body::SpanBody,
    client::{ClientFuture, ClientSpan, ClientSpanLayer, Resent},
    errors::{Boxed, Errors, Faults, Shown, Sourced},
    internal::{
        AnyReply, Business, Carried, Carries, InternalFuture, MakeSpan, Named, Replies, SpanLayer,
        SpanService, Uncarried,
    },
    server::{ServerFuture, ServerSpan, ServerSpanLayer, route},
    trust::Trust,
};
#[cfg(feature = "hook")]
pub(crate) use self::{
    errors::{chain, failed},
    server::{Open, routed},
};
