use http::{HeaderMap, HeaderName, HeaderValue};
use kit_trace::{
    Flags, SpanId, TraceContext, TraceId,
    propagation::{B3, B3Single, Propagate},
};

const TRACE_ID: HeaderName = HeaderName::from_static("x-b3-traceid");
const SPAN_ID: HeaderName = HeaderName::from_static("x-b3-spanid");
const SAMPLED: HeaderName = HeaderName::from_static("x-b3-sampled");
const FLAGS: HeaderName = HeaderName::from_static("x-b3-flags");
const PARENT: HeaderName = HeaderName::from_static("x-b3-parentspanid");
const SINGLE: HeaderName = HeaderName::from_static("b3");

/// B3, in one header and in several: lines of `name:value`, the headers of a
/// request.
pub fn b3(data: &[u8]) {
    let headers = crate::headers(data);
    let one = B3Single.extract(&headers);
    assert_eq!(one, in_one(&headers));
    let several = B3.extract(&headers);
    assert_eq!(several, in_several(&headers));
    // Of a pair the first is believed.
    assert_eq!((B3Single, B3).extract(&headers), one.clone().or_else(|| several.clone()));
    for context in one.iter().chain(&several) {
        goes_on(context, &headers);
    }
}

/// What was read is written, both ways, and reads as it was.
fn goes_on(context: &TraceContext, came: &HeaderMap) {
    let (trace_id, span_id) = (context.trace_id().to_string(), context.span_id().to_string());
    let sampled = if context.sampled() { "1" } else { "0" };
    let mut out = HeaderMap::new();
    // What is left over of another call's goes.
    out.insert(FLAGS, HeaderValue::from_static("1"));
    out.insert(PARENT, HeaderValue::from_static("05e3ac9a4f6e3b90"));
    (B3, B3Single).inject(context, &mut out);
    let mut expected = HeaderMap::new();
    for (name, value) in [
        (TRACE_ID, trace_id.clone()),
        (SPAN_ID, span_id.clone()),
        (SAMPLED, sampled.to_owned()),
        (SINGLE, format!("{trace_id}-{span_id}-{sampled}")),
    ] {
        expected.insert(name, value.parse().expect("it is a header"));
    }
    assert_eq!(out, expected);
    assert_eq!(B3.extract(&out).as_ref(), Some(context));
    assert_eq!(B3Single.extract(&out).as_ref(), Some(context));

    // What a call has already stays as it is.
    let mut merged = came.clone();
    if came.contains_key(SINGLE) {
        B3Single.inject(context, &mut merged);
    }
    if came.contains_key(TRACE_ID) {
        B3.inject(context, &mut merged);
    }
    assert_eq!(&merged, came);
}

/// openzipkin/b3-propagation, "Single Header".
fn in_one(headers: &HeaderMap) -> Option<TraceContext> {
    let text = only(headers, &SINGLE)?;
    let parts: Vec<_> = text.split('-').collect();
    let (sampled, parent) = match parts[..] {
        [_, _] => ("0", None),
        [_, _, sampled] => (sampled, None),
        [_, _, sampled, parent] => (sampled, Some(parent)),
        _ => return None,
    };
    if !["0", "1", "d"].contains(&sampled) || parent.is_some_and(|id| hex(id, &[16]).is_none()) {
        return None;
    }
    context(parts[0], parts[1], sampled != "0")
}

/// openzipkin/b3-propagation, "Multiple Headers".
fn in_several(headers: &HeaderMap) -> Option<TraceContext> {
    let debug = only(headers, &FLAGS).as_deref() == Some("1");
    let sampled = match only(headers, &SAMPLED).as_deref() {
        Some("1" | "true") => true,
        Some("0" | "false") => false,
        None if !headers.contains_key(SAMPLED) => false,
        _ => return None,
    };
    context(&only(headers, &TRACE_ID)?, &only(headers, &SPAN_ID)?, sampled || debug)
}

fn context(trace_id: &str, span_id: &str, sampled: bool) -> Option<TraceContext> {
    let trace_id = TraceId::new(hex(trace_id, &[16, 32])?)?;
    let span_id = SpanId::new(u64::try_from(hex(span_id, &[16])?).ok()?)?;
    let flags = if sampled { Flags::SAMPLED } else { Flags::NONE };
    Some(TraceContext::new(trace_id, span_id, flags).with_remote(true))
}

/// Reads an id of so many digits, that is not zero.
fn hex(text: &str, digits: &[usize]) -> Option<u128> {
    let sound = digits.contains(&text.len()) && text.chars().all(|digit| digit.is_ascii_hexdigit());
    let id = sound.then(|| u128::from_str_radix(text, 16).ok()).flatten();
    id.filter(|id| *id != 0)
}

/// The one value of `name`, without white space around it.
fn only(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    match &crate::values(headers, name)[..] {
        [value] => Some(value.trim_matches([' ', '\t']).to_owned()),
        _ => None,
    }
}
