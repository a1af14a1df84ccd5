use http::{HeaderMap, HeaderValue};
use kit_trace::{
    Flags, SpanId, TraceContext, TraceId, TraceState, W3c,
    propagation::{Propagate, TRACEPARENT, TRACESTATE},
};

/// The members of a state, in order.
type Members = Vec<(String, String)>;

/// W3C's trace context: lines of `name:value`, the headers of a request. What
/// is no header is a member, `key=value`, that is put into what they say.
pub fn trace_context(data: &[u8]) {
    let headers = crate::headers(data);
    let found = W3c.extract(&headers);
    let expected = parent(&crate::values(&headers, &TRACEPARENT));
    assert_eq!(found.as_ref().map(ids), expected);
    let members = members(&crate::values(&headers, &TRACESTATE));
    if let Some(context) = &found {
        assert!(context.is_remote());
        assert!(context.state().is_empty() == members.as_ref().is_none_or(Vec::is_empty));
        says(context.state(), members.as_deref().unwrap_or_default());
        goes_on(context);
    }
    // A state is read without a parent, too.
    for line in crate::values(&headers, &TRACESTATE) {
        let state = TraceState::parse(&line);
        let members = self::members(std::slice::from_ref(&line));
        assert_eq!(state.is_some(), members.is_some(), "{line}");
        says(&state.unwrap_or_default(), members.as_deref().unwrap_or_default());
    }
    writes(data, found.map(|context| context.state().clone()).unwrap_or_default());
}

/// What was read is written, and reads as it was.
fn goes_on(context: &TraceContext) {
    let (trace_id, span_id, flags) = ids(context);
    let parent = format!("00-{trace_id:032x}-{span_id:016x}-{flags:02x}");
    let state = context.state().as_str();
    // What is left over of another call's state goes.
    for stale in [None, Some("stale=1")] {
        let mut out = HeaderMap::new();
        out.extend(stale.map(|stale| (TRACESTATE, HeaderValue::from_static(stale))));
        W3c.inject(context, &mut out);
        assert_eq!(crate::values(&out, &TRACEPARENT), [&*parent]);
        let expected: Vec<_> = [state].into_iter().filter(|state| !state.is_empty()).collect();
        assert_eq!(crate::values(&out, &TRACESTATE), expected);
        assert_eq!(out.len(), 1 + expected.len());
        assert_eq!(W3c.extract(&out).as_ref(), Some(context));
    }
    // Beside a parent that is there nothing is written.
    let mut theirs = HeaderMap::new();
    theirs.insert(TRACEPARENT, HeaderValue::from_static("theirs"));
    let before = theirs.clone();
    W3c.inject(context, &mut theirs);
    assert_eq!(theirs, before);
}

/// Puts every line of `key=value` into the state.
fn writes(data: &[u8], mut state: TraceState) {
    for line in data.split(|byte| *byte == b'\n') {
        let (key, value) = crate::halves(line, b'=');
        let (key, value) = (String::from_utf8_lossy(key), String::from_utf8_lossy(value));
        let next = state.with(&key, &value);
        let sound = is_key(&key) && is_value(&value) && !value.ends_with(' ');
        assert_eq!(next.is_some(), sound, "{key}={value}");
        let Some(next) = next else { continue };
        assert_eq!(next.get(&key), Some(&*value));
        let rest = state.members().filter(|(name, _)| *name != key).take(31);
        assert!(next.members().eq([(&*key, &*value)].into_iter().chain(rest)));
        assert_eq!(TraceState::parse(next.as_str()).as_ref(), Some(&next));
        state = next;
    }
}

/// A state says what its members are, and reads as it was.
fn says(state: &TraceState, members: &[(String, String)]) {
    assert!(state.members().eq(members.iter().map(|(key, value)| (&**key, &**value))));
    for (key, _) in members {
        let first = members.iter().find(|(name, _)| name == key);
        assert_eq!(state.get(key), first.map(|(_, value)| &**value));
    }
    let text: Vec<_> = members.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(state.as_str(), text.join(","));
    assert_eq!(TraceState::parse(state.as_str()).as_ref(), Some(state));
}

fn ids(context: &TraceContext) -> (u128, u64, u8) {
    let (trace_id, span_id) = (context.trace_id().to_bytes(), context.span_id().to_bytes());
    assert_eq!(TraceId::from_bytes(trace_id), Some(context.trace_id()));
    assert_eq!(SpanId::from_bytes(span_id), Some(context.span_id()));
    assert_eq!(Flags::from_bits(context.flags().bits()), context.flags());
    (u128::from_be_bytes(trace_id), u64::from_be_bytes(span_id), context.flags().bits())
}

/// W3C Trace Context level 2, section 3.2; and of a version to come what section 4
/// says. Two flags are known, and the others zero.
fn parent(lines: &[String]) -> Option<(u128, u64, u8)> {
    let [line] = lines else { return None };
    let parts: Vec<_> = line.trim_matches([' ', '\t']).splitn(5, '-').collect();
    let ([version, trace_id, span_id, flags], more) = match parts[..] {
        [version, trace_id, span_id, flags] => ([version, trace_id, span_id, flags], false),
        [version, trace_id, span_id, flags, _] => ([version, trace_id, span_id, flags], true),
        _ => return None,
    };
    let hex = |text: &str, digits: usize| {
        let lower = |digit| matches!(digit, '0'..='9' | 'a'..='f');
        let sound = text.len() == digits && text.chars().all(lower);
        sound.then(|| u128::from_str_radix(text, 16).ok()).flatten()
    };
    let version = hex(version, 2)?;
    if version == 255 || version == 0 && more {
        return None;
    }
    let trace_id = hex(trace_id, 32).filter(|id| *id != 0)?;
    let span_id = hex(span_id, 16).filter(|id| *id != 0)?;
    Some((trace_id, u64::try_from(span_id).ok()?, u8::try_from(hex(flags, 2)? % 4).ok()?))
}

/// W3C Trace Context level 2, section 3.3.1; all lines are one list.
fn members(lines: &[String]) -> Option<Members> {
    let list = lines.join(",");
    let members = list.split(',').map(|member| member.trim_matches([' ', '\t']));
    let members: Option<Members> = members
        .filter(|member| !member.is_empty())
        .map(|member| {
            let (key, value) = member.split_once('=')?;
            let sound = is_key(key) && is_value(value);
            sound.then(|| (key.to_owned(), value.to_owned()))
        })
        .collect();
    members.filter(|members| members.len() <= 32)
}

fn is_key(key: &str) -> bool {
    let first = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    key.len() <= 256
        && key.starts_with(first)
        && key.chars().all(|letter| first(letter) || "_-*/@".contains(letter))
}

fn is_value(value: &str) -> bool {
    (1..=256).contains(&value.len())
        && value.chars().all(|letter| (' '..='~').contains(&letter) && !",=".contains(letter))
}
