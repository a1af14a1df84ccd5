//! Jaeger's header, which `OpenTracing`'s clients send.

use super::{Propagate, insert, single};
use crate::{
    Flags, SpanId, TraceContext, TraceId,
    context::{read_hex, write_hex},
};
use http::{HeaderMap, HeaderName};

/// The header of Jaeger's clients.
pub const UBER_TRACE_ID: HeaderName = HeaderName::from_static("uber-trace-id");

/// `uber-trace-id: TRACE:SPAN:PARENT:FLAGS`, as Jaeger's clients write it
/// (jaegertracing.io, client libraries, propagation format).
///
/// Jaeger's clients and `OpenTracing` are archived: use it only where callers still send
/// it, beside [`W3c`](super::W3c), and inside [`ReadOnly`](super::ReadOnly) where
/// nobody that is called needs it. Ids may be shorter than 32 and 16 digits; the parent
/// is deprecated and not read. Colons may be percent-encoded. `uberctx-*` baggage is
/// not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Jaeger;

impl Propagate for Jaeger {
    fn extract(&self, headers: &HeaderMap) -> Option<TraceContext> {
        let text = single(headers, &UBER_TRACE_ID)?;
        let mut parts = Parts(Some(text));
        let trace_id = TraceId::from_bytes(padded(parts.next()?)?)?;
        let span_id = SpanId::from_bytes(padded(parts.next()?)?)?;
        let _parent: [u8; 8] = padded(parts.next()?)?;
        let [flags]: [u8; 1] = padded(parts.next()?)?;
        if parts.next().is_some() {
            return None;
        }
        // Bit 1 is debug, which is sampled too, and not W3C's random flag.
        let flags = Flags::NONE.with_sampled(flags & 3 != 0);
        Some(TraceContext::new(trace_id, span_id, flags).with_remote(true))
    }

    fn inject(&self, context: &TraceContext, headers: &mut HeaderMap) {
        if headers.contains_key(&UBER_TRACE_ID) {
            return;
        }
        let mut text = *b"00000000000000000000000000000000:0000000000000000:0:0";
        write_hex(&context.trace_id().to_bytes(), &mut text[..32]);
        write_hex(&context.span_id().to_bytes(), &mut text[33..49]);
        text[52] = if context.sampled() { b'1' } else { b'0' };
        insert(headers, UBER_TRACE_ID, &text);
    }
}

/// What is between colons, or `%3A`.
struct Parts<'a>(Option<&'a [u8]>);

impl<'a> Iterator for Parts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let text = self.0?;
        let colon = text.iter().position(|byte| matches!(byte, b':' | b'%'));
        let Some(at) = colon else {
            self.0 = None;
            return Some(text);
        };
        let skip = match &text[at..] {
            [b':', ..] => 1,
            [b'%', b'3', b'A' | b'a', ..] => 3,
            // No digit: what reads it will say so.
            _ => {
                self.0 = None;
                return Some(text);
            }
        };
        self.0 = Some(&text[at + skip..]);
        Some(&text[..at])
    }
}

/// Reads up to two hexadecimal digits a byte, with zeros in front.
fn padded<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    // The longest is a trace id.
    let mut digits = [b'0'; 32];
    let digits = digits.get_mut(..2 * N)?;
    let at = digits.len().checked_sub(text.len())?;
    if text.is_empty() {
        return None;
    }
    digits[at..].copy_from_slice(text);
    digits.make_ascii_lowercase();
    let mut bytes = [0; N];
    read_hex(digits, &mut bytes)?;
    Some(bytes)
}
