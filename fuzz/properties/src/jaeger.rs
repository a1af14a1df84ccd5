use http::{HeaderMap, HeaderValue};
use kit_trace::{
    Flags, SpanId, TraceContext, TraceId, W3c,
    propagation::{Jaeger, Propagate, ReadOnly, UBER_TRACE_ID},
};

/// Jaeger's header: lines of `uber-trace-id`, alone and together.
pub fn jaeger(data: &[u8]) {
    let mut all = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        let Ok(value) = HeaderValue::from_bytes(line) else { continue };
        let mut headers = HeaderMap::new();
        headers.insert(UBER_TRACE_ID, value.clone());
        all.append(UBER_TRACE_ID, value);
        let found = Jaeger.extract(&headers);
        assert_eq!(found, read(&String::from_utf8_lossy(line)));
        if let Some(context) = found {
            goes_on(&context, &headers);
        }
    }
    // Several are none.
    assert!(all.get_all(UBER_TRACE_ID).iter().count() < 2 || Jaeger.extract(&all).is_none());
}

/// What was read is written, and reads as it was; but not where it is only read.
fn goes_on(context: &TraceContext, came: &HeaderMap) {
    let mut out = HeaderMap::new();
    (W3c, ReadOnly(Jaeger)).inject(context, &mut out);
    assert!(!out.contains_key(UBER_TRACE_ID));
    Jaeger.inject(context, &mut out);
    let (trace_id, span_id) = (context.trace_id(), context.span_id());
    let text = format!("{trace_id}:{span_id}:0:{}", u8::from(context.sampled()));
    assert_eq!(crate::values(&out, &UBER_TRACE_ID), [text]);
    assert_eq!(Jaeger.extract(&out).as_ref(), Some(context));
    assert_eq!(W3c.extract(&out).as_ref(), Some(context));

    let mut merged = came.clone();
    Jaeger.inject(context, &mut merged);
    assert_eq!(&merged, came);
}

/// jaegertracing.io, "Client Libraries", "Propagation Format".
fn read(text: &str) -> Option<TraceContext> {
    let text = text.trim_matches([' ', '\t']).replace("%3A", ":").replace("%3a", ":");
    let parts: Vec<_> = text.split(':').collect();
    let [trace_id, span_id, parent, flags] = parts[..] else { return None };
    hex(parent, 16)?;
    let sampled = hex(flags, 2)? % 4 > 0;
    let trace_id = TraceId::new(hex(trace_id, 32)?)?;
    let span_id = SpanId::new(u64::try_from(hex(span_id, 16)?).ok()?)?;
    let flags = if sampled { Flags::SAMPLED } else { Flags::NONE };
    Some(TraceContext::new(trace_id, span_id, flags).with_remote(true))
}

fn hex(text: &str, most: usize) -> Option<u128> {
    let sound =
        (1..=most).contains(&text.len()) && text.chars().all(|digit| digit.is_ascii_hexdigit());
    sound.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}
