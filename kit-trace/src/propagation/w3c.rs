//! W3C Trace Context, level 2, strictly.

use super::{Propagate, trim};
use crate::{Flags, SpanId, TraceContext, TraceId, TraceState, context::write_hex};
use http::{HeaderMap, HeaderName, HeaderValue};

/// The header of a trace's ids.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The header of what other systems keep with a trace.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The most members that `tracestate` has (level 2, section 3.3.1.1).
pub(crate) const MOST_MEMBERS: usize = 32;
/// The longest key and value of a member (sections 3.3.1.3.1 and 3.3.1.3.2).
const LONGEST: usize = 256;
/// The length of version 00, and the least of the versions to come.
const LENGTH: usize = 55;

/// `traceparent` and `tracestate`, as W3C Trace Context level 2 says, strictly.
///
/// A `traceparent` that is there twice, is not of its version's grammar, has an id of
/// zeros or is of version `ff` is none, and then there is no `tracestate` either. A
/// version to come is read as far as it is known, and answered with 00. All lines of
/// `tracestate` are one list, in order; if one member of it is not as the grammar
/// says, or there are more than 32, it is left out, and the trace goes on. It is sent
/// on as it came, but for white space and empty members, whatever its length up to 32
/// members (the specification asks for 512 characters at least).
///
/// Reading allocates nothing unless there is a `tracestate`, and then its text, twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct W3c;

impl Propagate for W3c {
    fn extract(&self, headers: &HeaderMap) -> Option<TraceContext> {
        // Most often there is none, and that is found out faster than that there is one.
        let parent = headers.get(&TRACEPARENT)?;
        if headers.get_all(&TRACEPARENT).iter().nth(1).is_some() {
            return None;
        }
        let (trace_id, span_id, flags) = traceparent(trim(parent.as_bytes()))?;
        let lines = headers.get_all(&TRACESTATE).iter().map(HeaderValue::as_bytes);
        let state = state(lines).unwrap_or(TraceState::NONE);
        Some(TraceContext::new(trace_id, span_id, flags).with_state(state).with_remote(true))
    }

    fn inject(&self, context: &TraceContext, headers: &mut HeaderMap) {
        // The two are one: beside a parent that is not ours a state means nothing.
        if headers.contains_key(&TRACEPARENT) {
            return;
        }
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        write_hex(&context.trace_id().to_bytes(), &mut text[3..35]);
        write_hex(&context.span_id().to_bytes(), &mut text[36..52]);
        write_hex(&[context.flags().bits()], &mut text[53..55]);
        super::insert(headers, TRACEPARENT, &text);
        if context.state().is_empty() {
            headers.remove(&TRACESTATE);
        } else {
            super::insert(headers, TRACESTATE, context.state().as_str().as_bytes());
        }
    }
}

/// Reads a `traceparent` without white space around it.
fn traceparent(text: &[u8]) -> Option<(TraceId, SpanId, Flags)> {
    let (known, more) = text.split_at_checked(LENGTH)?;
    let mut version = [0];
    crate::context::read_hex(&known[..2], &mut version)?;
    let ends = match version[0] {
        0 => more.is_empty(),
        0xff => false,
        // What is to come follows a hyphen.
        _ => matches!(more, [] | [b'-', ..]),
    };
    if !ends || [known[2], known[35], known[52]] != *b"---" {
        return None;
    }
    let mut flags = [0];
    crate::context::read_hex(&known[53..], &mut flags)?;
    let trace_id = TraceId::from_hex(&known[3..35])?;
    let span_id = SpanId::from_hex(&known[36..52])?;
    Some((trace_id, span_id, Flags::from_bits(flags[0])))
}

/// Reads the lines of `tracestate` as one list.
pub(crate) fn state<'a, I: Iterator<Item = &'a [u8]>>(lines: I) -> Option<TraceState> {
    let (mut text, mut count) = (String::new(), 0);
    for line in lines {
        for part in line.split(|byte| *byte == b',') {
            let part = trim(part);
            // Empty members are allowed, and count for nothing.
            if part.is_empty() {
                continue;
            }
            count += 1;
            if count > MOST_MEMBERS {
                return None;
            }
            let part = member(part)?;
            if text.is_empty() {
                // Most often there is one line, and this is all of it.
                text.reserve_exact(line.len());
            } else {
                text.push(',');
            }
            text.push_str(part);
        }
    }
    Some(TraceState::checked(text))
}

/// Checks a member: `key=value`, without white space around it.
pub(crate) fn member(text: &[u8]) -> Option<&str> {
    let equals = text.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (&text[..equals], &text[equals + 1..]);
    let begins = matches!(key.first()?, b'a'..=b'z' | b'0'..=b'9');
    let is_key =
        |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    let is_value = |byte: &u8| matches!(byte, 0x20..=0x2b | 0x2d..=0x3c | 0x3e..=0x7e);
    let fits = begins
        && key.len() <= LONGEST
        && key.iter().all(is_key)
        && (1..=LONGEST).contains(&value.len())
        && value.iter().all(is_value);
    if fits { std::str::from_utf8(text).ok() } else { None }
}
