use std::fmt;

/// The id of the trace that a request belongs to. It shows as 32 hexadecimal digits in
/// lower case, as W3C Trace Context writes it.
///
/// Transports name it where they tell of a failure: it is among the request's extensions,
/// or a hook finds it there by another name ([`Hook::trace_id`](crate::Hook::trace_id), as
/// kit-trace's `SpanHook` does).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

// ===== impl TraceId =====

impl TraceId {
    /// Takes the bytes of an id, in the order in which they are written.
    #[must_use]
    pub const fn new(id: [u8; 16]) -> Self {
        Self(id)
    }

    /// Returns the bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
