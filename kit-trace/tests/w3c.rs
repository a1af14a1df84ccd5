//! The cases of W3C's public harness for Trace Context (w3c/trace-context, `test/test.py`,
//! strict, level 2), each as a test of its name, over a server's and a client's layer:
//! what a service is asked with, and what it asks others with.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use http::HeaderMap;
use kit_trace::TraceState;
use support::{headers, hop, listening};

const TRACE: &str = "12345678901234567890123456789012";
const PARENT: &str = "1234567890123456";

/// A `traceparent` that goes on, and its state.
struct Sent {
    trace_id: String,
    parent_id: String,
    flags: u8,
    state: TraceState,
}

/// Reads what a service sends, by the grammar alone.
fn read(headers: &HeaderMap) -> Sent {
    let parents: Vec<_> = headers.get_all("traceparent").iter().collect();
    assert_eq!(parents.len(), 1, "one traceparent: {headers:?}");
    let parent = parents[0].to_str().unwrap();
    let parts: Vec<_> = parent.split('-').collect();
    let lengths: Vec<_> = parts.iter().map(|part| part.len()).collect();
    assert_eq!(lengths, [2, 32, 16, 2], "{parent}");
    let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    assert!(parts.iter().all(|part| is_hex(part)), "{parent}");
    assert_eq!(parts[0], "00");
    assert!(parts[1].contains(|digit| digit != '0') && parts[2].contains(|digit| digit != '0'));
    let states: Vec<_> = headers.get_all("tracestate").iter().collect();
    assert!(states.len() <= 1, "{headers:?}");
    let state = states.first().map_or(TraceState::NONE, |state| {
        let state = TraceState::parse(state.to_str().unwrap()).expect("a state by the grammar");
        assert!(!state.is_empty());
        state
    });
    let flags = u8::from_str_radix(parts[3], 16).unwrap();
    Sent { trace_id: parts[1].to_owned(), parent_id: parts[2].to_owned(), flags, state }
}

/// What a service asks with that is asked with `lines`.
async fn asks(lines: &[(&str, &str)]) -> Sent {
    let _listening = listening();
    read(&hop(headers(lines), 1).await[0])
}

async fn continues(parent: &str) -> Sent {
    let sent = asks(&[("traceparent", parent)]).await;
    assert_eq!(sent.trace_id, TRACE, "{parent:?} goes on");
    assert_ne!(sent.parent_id, PARENT);
    sent
}

async fn begins_anew(parent: &str) {
    let sent = asks(&[("traceparent", parent)]).await;
    assert_ne!(sent.trace_id, TRACE, "{parent:?} is refused");
    assert_ne!(sent.parent_id, PARENT);
}

/// What becomes of the state in `lines`, beside a trace that goes on.
async fn state(lines: &[&str]) -> TraceState {
    let parent = format!("00-{TRACE}-{PARENT}-00");
    let mut all = vec![("traceparent", parent.as_str())];
    all.extend(lines.iter().map(|line| ("tracestate", *line)));
    let sent = asks(&all).await;
    assert_eq!(sent.trace_id, TRACE, "a state never stops a trace");
    sent.state
}

fn parent(rest: &str) -> String {
    format!("{rest}-{TRACE}-{PARENT}")
}

#[tokio::test]
async fn both_traceparent_and_tracestate_missing() {
    asks(&[]).await;
}

#[tokio::test]
async fn traceparent_included_tracestate_missing() {
    let sent = continues(&format!("00-{TRACE}-{PARENT}-01")).await;
    assert!(sent.state.is_empty());
}

#[tokio::test]
async fn traceparent_duplicated() {
    let one = "00-12345678901234567890123456789011-1234567890123456-01";
    let other = "00-12345678901234567890123456789012-1234567890123456-01";
    for [first, second] in [[one, other], [other, one], [one, one]] {
        let sent = asks(&[("traceparent", first), ("traceparent", second)]).await;
        assert!(!sent.trace_id.starts_with("123456789012345678901234567890"));
    }
}

#[tokio::test]
async fn traceparent_header_name() {
    for name in ["trace-parent", "trace.parent"] {
        let sent = asks(&[(name, &format!("00-{TRACE}-{PARENT}-01"))]).await;
        assert_ne!(sent.trace_id, TRACE);
    }
}

#[tokio::test]
async fn traceparent_header_name_valid_casing() {
    for name in ["TraceParent", "TrAcEpArEnT", "TRACEPARENT"] {
        let sent = asks(&[(name, &format!("00-{TRACE}-{PARENT}-01"))]).await;
        assert_eq!(sent.trace_id, TRACE);
    }
}

#[tokio::test]
async fn traceparent_version_0x00() {
    for more in ["01.", "01-what-the-future-will-be-like", "01-"] {
        begins_anew(&format!("00-{TRACE}-{PARENT}-{more}")).await;
    }
}

#[tokio::test]
async fn traceparent_version_0xcc() {
    continues(&format!("cc-{TRACE}-{PARENT}-01")).await;
    continues(&format!("cc-{TRACE}-{PARENT}-01-what-the-future-will-be-like")).await;
    begins_anew(&format!("cc-{TRACE}-{PARENT}-01.what-the-future-will-be-like")).await;
}

#[tokio::test]
async fn traceparent_version_0xff() {
    begins_anew(&format!("ff-{TRACE}-{PARENT}-01")).await;
}

#[tokio::test]
async fn traceparent_version_illegal_characters() {
    for version in [".0", "0.", "CC", "0 "] {
        begins_anew(&format!("{}-01", parent(version))).await;
    }
}

#[tokio::test]
async fn traceparent_version_too_long() {
    for version in ["000", "0000"] {
        begins_anew(&format!("{}-01", parent(version))).await;
    }
}

#[tokio::test]
async fn traceparent_version_too_short() {
    begins_anew(&format!("{}-01", parent("0"))).await;
}

#[tokio::test]
async fn traceparent_trace_id_all_zero() {
    let sent = asks(&[("traceparent", &format!("00-{:032}-{PARENT}-01", 0))]).await;
    assert_ne!(sent.trace_id, format!("{:032}", 0));
}

#[tokio::test]
async fn traceparent_trace_id_illegal_characters() {
    for id in [
        ".2345678901234567890123456789012",
        "1234567890123456789012345678901.",
        "1234567890123456789012345678901A",
    ] {
        let sent = asks(&[("traceparent", &format!("00-{id}-{PARENT}-01"))]).await;
        assert!(!sent.trace_id.eq_ignore_ascii_case(id));
    }
}

#[tokio::test]
async fn traceparent_trace_id_too_long() {
    let id = "123456789012345678901234567890123";
    let sent = asks(&[("traceparent", &format!("00-{id}-{PARENT}-01"))]).await;
    assert!(!id.contains(&sent.trace_id), "{}", sent.trace_id);
}

#[tokio::test]
async fn traceparent_trace_id_too_short() {
    let id = "1234567890123456789012345678901";
    let sent = asks(&[("traceparent", &format!("00-{id}-{PARENT}-01"))]).await;
    assert!(!sent.trace_id.contains(id), "{}", sent.trace_id);
}

#[tokio::test]
async fn traceparent_parent_id_all_zero() {
    begins_anew(&format!("00-{TRACE}-{:016}-01", 0)).await;
}

#[tokio::test]
async fn traceparent_parent_id_illegal_characters() {
    for id in [".234567890123456", "123456789012345.", "123456789012345F"] {
        begins_anew(&format!("00-{TRACE}-{id}-01")).await;
    }
}

#[tokio::test]
async fn traceparent_parent_id_too_long() {
    begins_anew(&format!("00-{TRACE}-12345678901234567-01")).await;
}

#[tokio::test]
async fn traceparent_parent_id_too_short() {
    begins_anew(&format!("00-{TRACE}-123456789012345-01")).await;
}

#[tokio::test]
async fn traceparent_trace_flags_illegal_characters() {
    for flags in [".0", "0.", "0A", " 1"] {
        begins_anew(&format!("00-{TRACE}-{PARENT}-{flags}")).await;
    }
}

#[tokio::test]
async fn traceparent_trace_flags_too_long() {
    begins_anew(&format!("00-{TRACE}-{PARENT}-001")).await;
}

#[tokio::test]
async fn traceparent_trace_flags_too_short() {
    begins_anew(&format!("00-{TRACE}-{PARENT}-1")).await;
}

#[tokio::test]
async fn traceparent_ows_handling() {
    for [before, after] in [[" ", ""], ["\t", ""], ["", " "], ["", "\t"], ["\t ", " \t"]] {
        continues(&format!("{before}00-{TRACE}-{PARENT}-01{after}")).await;
    }
}

#[tokio::test]
async fn tracestate_included_traceparent_missing() {
    for lines in [&[("tracestate", "foo=1")], &[("tracestate", "foo=1,bar=2")]] {
        assert!(asks(lines).await.state.is_empty());
    }
}

#[tokio::test]
async fn tracestate_included_traceparent_included() {
    assert_eq!(state(&["foo=1,bar=2"]).await.as_str(), "foo=1,bar=2");
}

#[tokio::test]
async fn tracestate_header_name() {
    for name in ["trace-state", "trace.state"] {
        let parent = format!("00-{TRACE}-{PARENT}-00");
        let sent = asks(&[("traceparent", &parent), (name, "foo=1")]).await;
        assert!(sent.state.is_empty());
    }
}

#[tokio::test]
async fn tracestate_header_name_valid_casing() {
    for name in ["TraceState", "TrAcEsTaTe", "TRACESTATE"] {
        let parent = format!("00-{TRACE}-{PARENT}-00");
        let sent = asks(&[("traceparent", &parent), (name, "foo=1")]).await;
        assert_eq!(sent.state.get("foo"), Some("1"));
    }
}

#[tokio::test]
async fn tracestate_empty_header() {
    assert!(state(&[""]).await.is_empty());
    assert_eq!(state(&["foo=1", ""]).await.as_str(), "foo=1");
    assert_eq!(state(&["", "foo=1"]).await.as_str(), "foo=1");
}

#[tokio::test]
async fn tracestate_multiple_headers_different_keys() {
    let state = state(&["foo=1,bar=2", "rojo=1,congo=2", "baz=3"]).await;
    assert_eq!(state.as_str(), "foo=1,bar=2,rojo=1,congo=2,baz=3");
}

#[tokio::test]
async fn tracestate_duplicated_keys() {
    assert_eq!(state(&["foo=1,foo=1"]).await.as_str(), "foo=1,foo=1");
    assert_eq!(state(&["foo=1,foo=2"]).await.get("foo"), Some("1"));
    assert_eq!(state(&["foo=1", "foo=1"]).await.as_str(), "foo=1,foo=1");
    assert_eq!(state(&["foo=1", "foo=2"]).await.get("foo"), Some("1"));
}

#[tokio::test]
async fn tracestate_all_allowed_characters() {
    let key = format!("{}0123456789_-*/", ('a'..='z').collect::<String>());
    let value: String = (' '..='~').filter(|byte| !matches!(byte, ',' | '=')).collect();
    assert_eq!(state(&[&format!("{key}={value}")]).await.get(&key), Some(&*value));
    let key = format!("{key}@a-z0-9_-*/");
    assert_eq!(state(&[&format!("{key}={value}")]).await.get(&key), Some(&*value));
}

#[tokio::test]
async fn tracestate_ows_handling() {
    for line in ["foo=1 \t , \t bar=2, \t baz=3", "foo=1\t \t,\t \tbar=2,\t \tbaz=3"] {
        assert_eq!(state(&[line]).await.as_str(), "foo=1,bar=2,baz=3");
    }
    for line in [" foo=1", "\tfoo=1", "foo=1 ", "foo=1\t", "\t foo=1 \t"] {
        assert_eq!(state(&[line]).await.as_str(), "foo=1");
    }
}

#[tokio::test]
async fn tracestate_key_illegal_characters() {
    for line in ["foo =1", "FOO=1", "foo.bar=1", "f\u{e4}=1", "=1", "_foo=1"] {
        assert!(state(&[line]).await.is_empty(), "{line}");
    }
}

#[tokio::test]
async fn tracestate_key_illegal_vendor_format() {
    for line in ["foo@=1,bar=2", "foo@@bar=1,bar=2", "foo@bar@baz=1,bar=2"] {
        assert_eq!(state(&[line]).await.as_str(), line, "level 2 allows it anywhere but first");
    }
    assert!(state(&["@foo=1,bar=2"]).await.is_empty());
}

#[tokio::test]
async fn tracestate_member_count_limit() {
    let line = |from: usize, to| {
        (from..=to).map(|at| format!("bar{at:02}={at:02}")).collect::<Vec<_>>().join(",")
    };
    let lines = [line(1, 10), line(11, 20), line(21, 30), line(31, 32), line(31, 33)];
    let most = state(&[&lines[0], &lines[1], &lines[2], &lines[3]]).await;
    assert_eq!((most.members().count(), most.get("bar01")), (32, Some("01")));
    assert!(state(&[&lines[0], &lines[1], &lines[2], &lines[4]]).await.is_empty());
}

#[tokio::test]
async fn tracestate_key_length_limit() {
    let (t, v) = ("t".repeat(242), "v".repeat(15));
    for key in
        ["z".repeat(256), format!("{}@{}", &t[1..], &v[1..]), format!("{t}@v"), format!("t@{v}")]
    {
        let state = state(&["foo=1", &format!("{key}=1")]).await;
        assert_eq!((state.get("foo"), state.get(&key)), (Some("1"), Some("1")));
    }
    assert!(state(&["foo=1", &format!("{}=1", "z".repeat(257))]).await.is_empty());
}

#[tokio::test]
async fn tracestate_value_illegal_characters() {
    for line in ["foo=bar=baz", "foo=,bar=3", "foo", "foo=\u{e4}"] {
        assert!(state(&[line]).await.is_empty(), "{line}");
    }
    let longest = format!("foo={}", "v".repeat(256));
    assert_eq!(state(&[&longest]).await.as_str(), longest);
    assert!(state(&[&format!("{longest}v")]).await.is_empty());
}

#[tokio::test]
async fn multiple_requests_with_valid_traceparent() {
    let _listening = listening();
    let asked = hop(headers(&[("traceparent", &format!("00-{TRACE}-{PARENT}-01"))]), 3).await;
    several(&asked, |id| id == TRACE);
}

#[tokio::test]
async fn multiple_requests_without_traceparent() {
    let _listening = listening();
    several(&hop(HeaderMap::new(), 3).await, |_| true);
}

#[tokio::test]
async fn multiple_requests_with_illegal_traceparent() {
    let _listening = listening();
    let zeros = format!("00-{:032}-{PARENT}-01", 0);
    several(&hop(headers(&[("traceparent", &zeros)]), 3).await, |id| id != format!("{:032}", 0));
}

fn several(asked: &[HeaderMap], fits: impl Fn(&str) -> bool) {
    let sent: Vec<_> = asked.iter().map(read).collect();
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|sent| fits(&sent.trace_id) && sent.trace_id == asked_of(asked)));
    let mut parents: Vec<_> = sent.iter().map(|sent| &sent.parent_id).collect();
    parents.sort();
    parents.dedup();
    assert_eq!(parents.len(), 3, "each call has a span of its own");
}

fn asked_of(asked: &[HeaderMap]) -> String {
    read(&asked[0]).trace_id
}

#[tokio::test]
async fn propagates_random_flag() {
    let sent = continues(&format!("00-{TRACE}-{PARENT}-02")).await;
    assert_eq!(sent.flags, 2, "and nobody began to sample");
    assert_eq!(continues(&format!("00-{TRACE}-{PARENT}-01")).await.flags, 1, "nor is it made up");
    assert_eq!(
        continues(&format!("00-{TRACE}-{PARENT}-ff")).await.flags,
        3,
        "unknown ones end here"
    );
    assert_eq!(asks(&[]).await.flags, 3, "our own ids are random");
}
