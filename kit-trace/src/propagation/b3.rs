//! B3: Zipkin's headers, one or several.

use super::{Propagate, insert, single};
use crate::{Flags, SpanId, TraceContext, TraceId};
use http::{HeaderMap, HeaderName};

const TRACE_ID: HeaderName = HeaderName::from_static("x-b3-traceid");
const SPAN_ID: HeaderName = HeaderName::from_static("x-b3-spanid");
const PARENT_SPAN_ID: HeaderName = HeaderName::from_static("x-b3-parentspanid");
const SAMPLED: HeaderName = HeaderName::from_static("x-b3-sampled");
const FLAGS: HeaderName = HeaderName::from_static("x-b3-flags");
const SINGLE: HeaderName = HeaderName::from_static("b3");

/// B3 in several headers: `x-b3-traceid`, `x-b3-spanid`, `x-b3-sampled`, `x-b3-flags`
/// (openzipkin/b3-propagation).
///
/// A trace id of 16 digits is one of 32 with zeros in front. Debug counts as sampled,
/// and is sent on as that. A decision without ids is not carried; one that is left to
/// who is called (`x-b3-sampled` is missing) is taken as not sampled, so that a sampler
/// by the parent does not record what nobody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct B3;

/// B3 in one header: `b3: TRACE-SPAN-SAMPLED-PARENT`, of which the last two may be
/// missing. Else as [`B3`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct B3Single;

impl Propagate for B3 {
    fn extract(&self, headers: &HeaderMap) -> Option<TraceContext> {
        let trace_id = trace_id(single(headers, &TRACE_ID)?)?;
        let span_id = SpanId::from_hex(lower(single(headers, &SPAN_ID)?, &mut [0; 16])?)?;
        let debug = matches!(single(headers, &FLAGS), Some(b"1"));
        let sampled = headers.contains_key(&SAMPLED);
        // Older senders write words.
        let sampled = match sampled.then(|| single(headers, &SAMPLED)) {
            Some(Some(b"1" | b"true")) => true,
            None | Some(Some(b"0" | b"false")) => false,
            Some(_) => return None,
        };
        Some(remote(trace_id, span_id, sampled || debug))
    }

    fn inject(&self, context: &TraceContext, headers: &mut HeaderMap) {
        if headers.contains_key(&TRACE_ID) {
            return;
        }
        // What is left over of another call's: they are one.
        headers.remove(&PARENT_SPAN_ID);
        headers.remove(&FLAGS);
        insert(headers, TRACE_ID, &context.trace_id().to_hex());
        insert(headers, SPAN_ID, &context.span_id().to_hex());
        insert(headers, SAMPLED, if context.sampled() { b"1" } else { b"0" });
    }
}

impl Propagate for B3Single {
    fn extract(&self, headers: &HeaderMap) -> Option<TraceContext> {
        let mut parts = single(headers, &SINGLE)?.split(|byte| *byte == b'-');
        let trace_id = trace_id(parts.next()?)?;
        let span_id = SpanId::from_hex(lower(parts.next()?, &mut [0; 16])?)?;
        let sampled = match parts.next() {
            None | Some(b"0") => false,
            Some(b"1" | b"d") => true,
            Some(_) => return None,
        };
        // The parent is not needed, but must be one.
        if let Some(parent) = parts.next() {
            SpanId::from_hex(lower(parent, &mut [0; 16])?)?;
        }
        parts.next().is_none().then(|| remote(trace_id, span_id, sampled))
    }

    fn inject(&self, context: &TraceContext, headers: &mut HeaderMap) {
        if headers.contains_key(&SINGLE) {
            return;
        }
        let mut text = *b"00000000000000000000000000000000-0000000000000000-0";
        text[..32].copy_from_slice(&context.trace_id().to_hex());
        text[33..49].copy_from_slice(&context.span_id().to_hex());
        text[50] = if context.sampled() { b'1' } else { b'0' };
        insert(headers, SINGLE, &text);
    }
}

fn remote(trace_id: TraceId, span_id: SpanId, sampled: bool) -> TraceContext {
    let flags = Flags::NONE.with_sampled(sampled);
    TraceContext::new(trace_id, span_id, flags).with_remote(true)
}

/// Reads 16 or 32 digits.
fn trace_id(text: &[u8]) -> Option<TraceId> {
    let mut digits = [b'0'; 32];
    let at = match text.len() {
        16 => 16,
        32 => 0,
        _ => return None,
    };
    digits[at..].copy_from_slice(text);
    digits.make_ascii_lowercase();
    TraceId::from_hex(&digits)
}

/// Some senders write upper case.
pub(super) fn lower<'a>(text: &[u8], digits: &'a mut [u8; 16]) -> Option<&'a [u8]> {
    if text.len() != digits.len() {
        return None;
    }
    digits.copy_from_slice(text);
    digits.make_ascii_lowercase();
    Some(digits)
}
