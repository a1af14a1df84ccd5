//! Where a call comes from and what became of it: spans, their propagation, and log lines.

mod bridge;
mod context;
#[cfg(feature = "hook")]
pub mod hook;
#[cfg(feature = "log")]
pub mod log;
#[cfg(feature = "otel")]
pub mod otel;
pub mod propagation;
pub mod span;

pub use self::{
    context::{Flags, Ids, SpanId, TraceContext, TraceId, TraceState},
    propagation::{Baggage, W3c},
    span::{ClientSpanLayer, ServerSpanLayer, SpanLayer, Trust},
};
