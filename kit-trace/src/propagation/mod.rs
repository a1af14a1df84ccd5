//! How a trace goes on from process to process: in headers.
//!
//! A [`Propagate`] reads a [`TraceContext`] from headers and writes one. [`W3c`] is
//! what the field speaks, and what layers use by default; [`B3`] and [`B3Single`] are
//! Zipkin's, [`Jaeger`] is what `OpenTracing`'s clients send. A pair of them is one: the
//! first that finds a context is believed, and all write.
//!
//! ```
//! use http::HeaderMap;
//! use kit_trace::propagation::{B3Single, Propagate, W3c};
//!
//! let mut headers = HeaderMap::new();
//! headers.insert("b3", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1".parse().unwrap());
//! let both = (W3c, B3Single);
//! let context = both.extract(&headers).unwrap();
//! assert_eq!(context.trace_id().to_string(), "80f198ee56343ba864fe8b2a57d3eff7");
//!
//! let mut outgoing = HeaderMap::new();
//! both.inject(&context, &mut outgoing);
//! assert_eq!(outgoing["traceparent"], "00-80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-01");
//! assert_eq!(outgoing["b3"], "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1");
//! ```
//!
//! What a process says of itself beside its trace is [`Baggage`].

mod b3;
mod baggage;
mod jaeger;
pub(crate) mod w3c;

use crate::TraceContext;
use http::{HeaderMap, HeaderName, HeaderValue};

#[cfg(feature = "otlp")]
pub(crate) use self::baggage::decode;
pub use self::{
    b3::{B3, B3Single},
    baggage::{BAGGAGE, BadBaggage, Baggage, BaggageLimits, Entry},
    jaeger::{Jaeger, UBER_TRACE_ID},
    w3c::{TRACEPARENT, TRACESTATE, W3c},
};

/// Reads a trace context from headers, and writes one into headers.
pub trait Propagate: Clone {
    /// Reads the context that came, if there is one and it can be believed to be
    /// one. It is marked as another process's.
    fn extract(&self, headers: &HeaderMap) -> Option<TraceContext>;

    /// Writes `context`, unless the headers have one already: who made the headers
    /// knows better.
    fn inject(&self, context: &TraceContext, headers: &mut HeaderMap);
}

/// Nothing is read, and nothing written.
impl Propagate for () {
    fn extract(&self, _: &HeaderMap) -> Option<TraceContext> {
        None
    }

    fn inject(&self, _: &TraceContext, _: &mut HeaderMap) {}
}

impl<A: Propagate, B: Propagate> Propagate for (A, B) {
    fn extract(&self, headers: &HeaderMap) -> Option<TraceContext> {
        self.0.extract(headers).or_else(|| self.1.extract(headers))
    }

    fn inject(&self, context: &TraceContext, headers: &mut HeaderMap) {
        self.0.inject(context, headers);
        self.1.inject(context, headers);
    }
}

/// Reads by the propagator, and writes nothing by it: for what only older callers
/// send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadOnly<P>(pub P);

impl<P: Propagate> Propagate for ReadOnly<P> {
    fn extract(&self, headers: &HeaderMap) -> Option<TraceContext> {
        self.0.extract(headers)
    }

    fn inject(&self, _: &TraceContext, _: &mut HeaderMap) {}
}

/// Without the white space that HTTP allows around a value (RFC 9110, section 5.6.3).
fn trim(text: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let begin = text.iter().position(|byte| !is_space(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_space(byte)).map_or(begin, |last| last + 1);
    &text[begin..end]
}

/// The one value of `name`; several are none, for nobody knows which is meant.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut lines = headers.get_all(name).iter();
    let value = lines.next()?;
    lines.next().is_none().then(|| trim(value.as_bytes()))
}

/// Writes printable ASCII; it never panics, not even where the map is full.
fn insert(headers: &mut HeaderMap, name: HeaderName, text: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(text) {
        let _ = headers.try_insert(name, value);
    }
}
