use http::Extensions;
use kit_endpoint::Carries;
use std::{fmt, num::NonZeroU128};

/// The trace that a measured call belongs to: what an exemplar points at.
///
/// Give it only where the trace is sampled; one that is kept nowhere leads
/// whoever looks at the exemplar nowhere. This crate reads no headers and knows
/// no tracer: [`RedLayer::exemplars`](crate::RedLayer::exemplars) and its like
/// take a function that finds the trace in a request.
///
/// ```
/// use kit_metrics::Trace;
///
/// let trace = Trace::new(0x0af7651916cd43dd8448eb211c80319c_u128.to_be_bytes(), [0, 0, 0, 0, 0, 0, 0, 7]);
/// assert_eq!(trace.unwrap().to_string(), "0af7651916cd43dd8448eb211c80319c/0000000000000007");
/// assert_eq!(Trace::new([0; 16], [0; 8]), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trace {
    id: NonZeroU128,
    span: u64,
}

/// Finds the sampled trace of a request, where it has one.
pub type TraceOf = fn(&Extensions) -> Option<Trace>;

/// Says which trace a request belongs to, for exemplars.
///
/// It is [`Untraced`], or a [`TraceOf`] for requests that carry extensions.
pub trait Traces<Req>: Clone {
    /// Returns the trace of `request`, if it is sampled.
    fn trace(&self, request: &Req) -> Option<Trace>;
}

/// Knows of no trace, and asks nothing of a request: the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Untraced;

/// A trace or none, as calls carry it around: in plain words, for both are moved as often
/// as a reply is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Carried([u64; 3]);

// ===== impl Carried =====

impl Carried {
    /// No trace's id is all zero.
    pub(crate) const NONE: Self = Self([0; 3]);

    pub(crate) const fn new(trace: Option<Trace>) -> Self {
        match trace {
            Some(trace) => Self(trace.words()),
            None => Self::NONE,
        }
    }

    pub(crate) fn get(self) -> Option<Trace> {
        Trace::of_words(self.0)
    }
}

// ===== impl Trace =====

impl Trace {
    /// Takes the ids of a trace and of a span, in network order, as W3C's Trace
    /// Context has them. `None` where that of the trace is all zero, which is
    /// no id; a span of zero is left out.
    #[must_use]
    pub const fn new(id: [u8; 16], span: [u8; 8]) -> Option<Self> {
        match NonZeroU128::new(u128::from_be_bytes(id)) {
            Some(id) => Some(Self { id, span: u64::from_be_bytes(span) }),
            None => None,
        }
    }

    /// Returns the id of the trace.
    #[must_use]
    pub const fn id(self) -> [u8; 16] {
        self.id.get().to_be_bytes()
    }

    /// Returns the id of the span, if it is known.
    #[must_use]
    pub const fn span(self) -> Option<[u8; 8]> {
        match self.span {
            0 => None,
            span => Some(span.to_be_bytes()),
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "a half each")]
    pub(crate) const fn words(self) -> [u64; 3] {
        let id = self.id.get();
        [(id >> 64) as u64, id as u64, self.span]
    }

    pub(crate) fn of_words([high, low, span]: [u64; 3]) -> Option<Self> {
        let id = NonZeroU128::new(u128::from(high) << 64 | u128::from(low))?;
        Some(Self { id, span })
    }
}

impl fmt::Display for Trace {
    /// Writes both ids in hex, with a slash between; the span's only where it
    /// is known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.id)?;
        if self.span == 0 {
            return Ok(());
        }
        write!(f, "/{:016x}", self.span)
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trace({self})")
    }
}

// ===== impl Untraced =====

impl<Req> Traces<Req> for Untraced {
    fn trace(&self, _: &Req) -> Option<Trace> {
        None
    }
}

// ===== impl TraceOf =====

impl<Req: Carries> Traces<Req> for TraceOf {
    fn trace(&self, request: &Req) -> Option<Trace> {
        self(request.extensions())
    }
}
