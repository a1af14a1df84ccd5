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
//! # What a request that is not recorded costs
//!
//! With [`sampling`](ServerSpanLayer::sampling) the layer decides before it opens
//! anything: a request that is left out has no span, only a context that says so to
//! whom it calls. [`ClientSpanLayer`] and [`SpanLayer`] open none on its behalf, and spans
//! that others open while it is polled begin no trace of their own. (A task that it
//! spawns is on its own: give it the [`TraceContext`](crate::TraceContext).)
//!
//! # Readiness
//!
//! Each is ready when what is inside is.

mod body;
mod client;
mod end;
mod errors;
mod future;
mod internal;
mod message;
pub(crate) mod scope;
mod server;
mod trust;

pub use self::{
    body::SpanBody,
    client::{ClientSpan, ClientSpanLayer},
    errors::{Boxed, Errors, Faults, Shown, Sourced},
    future::SpanFuture,
    internal::{
        AnyReply, Business, Carried, Carries, InternalFuture, MakeSpan, Named, Replies, SpanLayer,
        SpanService, Uncarried,
    },
    server::{ServerSpan, ServerSpanLayer, route},
    trust::Trust,
};
#[cfg(feature = "hook")]
pub(crate) use self::{
    end::Open,
    errors::{chain, failed},
    server::routed,
};
