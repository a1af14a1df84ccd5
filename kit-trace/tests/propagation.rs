//! B3, Jaeger's header, baggage and what is around them; W3C's own cases are in `w3c.rs`.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use http::{HeaderMap, HeaderValue};
use kit_trace::{
    Baggage, ClientSpanLayer, Flags, Ids, ServerSpanLayer, SpanId, TraceContext, TraceId,
    TraceState, W3c,
    propagation::{B3, B3Single, BaggageLimits, Entry, Jaeger, Propagate, ReadOnly},
};
use proptest::prelude::*;
use support::{headers, hop_by, listening};

const TRACE: &str = "80f198ee56343ba864fe8b2a57d3eff7";
const SPAN: &str = "e457b5a2e4d86bd1";

fn context(sampled: bool) -> TraceContext {
    let trace_id = TraceId::new(0x80f1_98ee_5634_3ba8_64fe_8b2a_57d3_eff7).unwrap();
    let span_id = SpanId::new(0xe457_b5a2_e4d8_6bd1).unwrap();
    TraceContext::new(trace_id, span_id, Flags::NONE.with_sampled(sampled))
}

fn written(by: &impl Propagate, context: &TraceContext) -> HeaderMap {
    let mut headers = HeaderMap::new();
    by.inject(context, &mut headers);
    headers
}

fn read(by: &impl Propagate, lines: &[(&str, &str)]) -> Option<TraceContext> {
    by.extract(&headers(lines))
}

// ===== W3C =====

#[test]
fn ids_are_written_as_they_are_read() {
    let headers = written(&W3c, &context(true));
    assert_eq!(headers["traceparent"], format!("00-{TRACE}-{SPAN}-01"));
    assert_eq!(W3c.extract(&headers), Some(context(true).with_remote(true)));
}

#[test]
fn headers_that_are_there_stay() {
    for (by, name) in [("traceparent", 0), ("x-b3-traceid", 1), ("b3", 2), ("uber-trace-id", 3)] {
        let mut map = headers(&[(by, "mine")]);
        match name {
            0 => W3c.inject(&context(true), &mut map),
            1 => B3.inject(&context(true), &mut map),
            2 => B3Single.inject(&context(true), &mut map),
            _ => Jaeger.inject(&context(true), &mut map),
        }
        assert_eq!((map.len(), &map[by]), (1, &HeaderValue::from_static("mine")));
    }
}

#[test]
fn a_state_is_of_its_parent_alone() {
    let mut map = headers(&[("tracestate", "stale=1")]);
    W3c.inject(&context(true), &mut map);
    assert!(!map.contains_key("tracestate"));
    let state = TraceState::parse("new=1").unwrap();
    let mut map = headers(&[("tracestate", "stale=1"), ("tracestate", "stale=2")]);
    W3c.inject(&context(true).with_state(state), &mut map);
    assert_eq!(map.get_all("tracestate").iter().collect::<Vec<_>>(), ["new=1"]);
}

#[test]
fn who_writes_a_state_is_first_in_it() {
    let state = TraceState::parse("a=1, kit=2,b=3").unwrap();
    assert_eq!(state.with("kit", "4").unwrap().as_str(), "kit=4,a=1,b=3");
    for (key, value) in [("KIT", "1"), ("", "1"), ("kit", ""), ("kit", "1,2"), ("kit", "1 ")] {
        assert_eq!(state.with(key, value), None, "{key}={value}");
    }
    let full: Vec<_> = (0..32).map(|at| format!("k{at}=1")).collect();
    let full = TraceState::parse(&full.join(",")).unwrap().with("kit", "1").unwrap();
    assert_eq!((full.members().count(), full.get("k31"), full.get("kit")), (32, None, Some("1")));
}

#[test]
fn parsing_a_parent_allocates_nothing() {
    let map = headers(&[("traceparent", &format!("00-{TRACE}-{SPAN}-01"))]);
    let counted = allocation_counter::measure(|| {
        std::hint::black_box(W3c.extract(&map));
        std::hint::black_box(B3Single.extract(&map));
    });
    assert_eq!(counted.count_total, 0);
}

// ===== B3 =====

#[test]
fn b3_in_one_header() {
    for (rest, sampled) in [("", false), ("-0", false), ("-1", true), ("-d", true)] {
        let found = read(&B3Single, &[("b3", &format!("{TRACE}-{SPAN}{rest}"))]);
        assert_eq!(found, Some(context(sampled).with_remote(true)), "{rest}");
    }
    assert!(read(&B3Single, &[("b3", &format!("{TRACE}-{SPAN}-1-05e3ac9a4f6e3b90"))]).is_some());
    assert_eq!(written(&B3Single, &context(true))["b3"], format!("{TRACE}-{SPAN}-1"));
    assert_eq!(written(&B3Single, &context(false))["b3"], format!("{TRACE}-{SPAN}-0"));
}

#[test]
fn b3_in_one_header_that_is_none() {
    for bad in [
        "0",
        "1",
        "d",
        TRACE,
        &format!("{TRACE}-{SPAN}-2"),
        &format!("{TRACE}-{SPAN}-"),
        &format!("{TRACE}-{SPAN}-1-"),
        &format!("{TRACE}-{SPAN}-1-05e3ac9a4f6e3b90-"),
        &format!("{TRACE}0-{SPAN}-1"),
        &format!("{TRACE}-{SPAN}0-1"),
        &format!("{:032}-{SPAN}-1", 0),
        &format!("{TRACE}-{:016}-1", 0),
    ] {
        assert_eq!(read(&B3Single, &[("b3", bad)]), None, "{bad}");
    }
}

#[test]
fn b3_in_several_headers() {
    let ids = [("X-B3-TraceId", TRACE), ("X-B3-SpanId", SPAN)];
    let with = |name: &'static str, value: &'static str| [ids[0], ids[1], (name, value)];
    assert_eq!(read(&B3, &ids), Some(context(false).with_remote(true)));
    for (name, value, sampled) in [
        ("X-B3-Sampled", "1", true),
        ("X-B3-Sampled", "0", false),
        ("X-B3-Sampled", "true", true),
        ("X-B3-Flags", "1", true),
        ("X-B3-Flags", "0", false),
        ("X-B3-ParentSpanId", "05e3ac9a4f6e3b90", false),
    ] {
        let found = read(&B3, &with(name, value));
        assert_eq!(found, Some(context(sampled).with_remote(true)), "{name}: {value}");
    }
    assert_eq!(read(&B3, &with("X-B3-Sampled", "yes")), None);
    assert_eq!(read(&B3, &with("X-B3-SpanId", SPAN)), None, "there twice");
    assert_eq!(read(&B3, &ids[..1]), None);
    assert_eq!(read(&B3, &[("X-B3-Sampled", "0")]), None);
    let map = written(&B3, &context(true));
    assert_eq!(
        (&map["x-b3-traceid"], &map["x-b3-spanid"], &map["x-b3-sampled"]),
        (&TRACE.parse().unwrap(), &SPAN.parse().unwrap(), &HeaderValue::from_static("1"))
    );
}

#[test]
fn b3_ids_of_eight_bytes_and_in_upper_case() {
    let found = read(&B3Single, &[("b3", &format!("{}-{}-1", &TRACE[16..], SPAN.to_uppercase()))]);
    let found = found.unwrap();
    assert_eq!(found.trace_id().to_string(), format!("{:016}{}", 0, &TRACE[16..]));
    assert_eq!(found.span_id().to_string(), SPAN);
}

// ===== Jaeger =====

#[test]
fn jaeger_as_its_clients_write_it() {
    for (text, sampled) in [
        (format!("{TRACE}:{SPAN}:0:1"), true),
        (format!("{TRACE}:{SPAN}:0:0"), false),
        (format!("{TRACE}:{SPAN}:0:2"), true),
        (format!("{TRACE}:{SPAN}:5e3ac9a4f6e3b90:01"), true),
        (format!("{TRACE}%3A{SPAN}%3a0%3A1"), true),
    ] {
        let found = read(&Jaeger, &[("uber-trace-id", &text)]);
        assert_eq!(found, Some(context(sampled).with_remote(true)), "{text}");
    }
    let short = read(&Jaeger, &[("uber-trace-id", "1f:2a:0:1")]).unwrap();
    assert_eq!(short.trace_id().to_string(), format!("{:030}1f", 0));
    assert_eq!(short.span_id().to_string(), "000000000000002a");
    let map = written(&Jaeger, &context(true));
    assert_eq!(map["uber-trace-id"], format!("{TRACE}:{SPAN}:0:1"));
}

#[test]
fn jaeger_that_is_none() {
    for bad in [
        "",
        "1:2",
        "1:2:3",
        "1:2:3:",
        "1:2:3:4:5",
        "0:2:0:1",
        "1:0:0:1",
        "1:g:0:1",
        "1%:2:0:1",
        "1:2:0:100",
        &format!("{TRACE}0:2:0:1"),
        &format!("1:{SPAN}0:0:1"),
    ] {
        assert_eq!(read(&Jaeger, &[("uber-trace-id", bad)]), None, "{bad}");
    }
}

// ===== together =====

#[tokio::test]
async fn the_first_that_is_found_is_believed_and_all_write() {
    let _listening = listening();
    let all = (W3c, (B3Single, ReadOnly(Jaeger)));
    let server = || ServerSpanLayer::new().propagator(all);
    let client = || ClientSpanLayer::new().propagator(all);
    let other = "00-12345678901234567890123456789012-1234567890123456-01";
    let b3 = format!("{TRACE}-{SPAN}-1");
    for (came, trace) in [
        (vec![("traceparent", other), ("b3", &b3)], "12345678901234567890123456789012"),
        (vec![("b3", &*b3)], TRACE),
        (vec![("uber-trace-id", "80f198ee56343ba864fe8b2a57d3eff7:1:0:1")], TRACE),
    ] {
        let sent = &hop_by(server(), client(), headers(&came), 1).await[0];
        let parent = sent["traceparent"].to_str().unwrap();
        assert_eq!(&parent[3..35], trace);
        assert_eq!(&sent["b3"].to_str().unwrap()[..49], &parent[3..52]);
        assert!(!sent.contains_key("uber-trace-id"));
    }
}

#[tokio::test]
async fn jaegers_header_is_not_read_unasked() {
    let _listening = listening();
    let came = headers(&[("uber-trace-id", &format!("{TRACE}:{SPAN}:0:1"))]);
    let sent = &hop_by(ServerSpanLayer::new(), ClientSpanLayer::new(), came, 1).await[0];
    assert_ne!(&sent["traceparent"].to_str().unwrap()[3..35], TRACE);
}

// ===== ids =====

#[test]
fn seeded_ids_come_again() {
    let ids = |seed| {
        let ids = Ids::seeded(seed);
        [ids.trace_id(), ids.clone().trace_id()].map(|id| (id, ids.span_id()))
    };
    assert_eq!(ids(7), ids(7));
    assert_ne!(ids(7), ids(8));
    assert_ne!(ids(7)[0], ids(7)[1]);
    assert_ne!(Ids::new().trace_id(), Ids::new().trace_id());
}

#[test]
fn zeros_are_no_ids() {
    assert_eq!((TraceId::new(0), SpanId::new(0)), (None, None));
    assert_eq!((TraceId::from_bytes([0; 16]), SpanId::from_bytes([0; 8])), (None, None));
}

// ===== baggage =====

fn baggage(lines: &[&str]) -> Option<Baggage> {
    baggage_within(lines, BaggageLimits::default())
}

fn baggage_within(lines: &[&str], limits: BaggageLimits) -> Option<Baggage> {
    let lines: Vec<_> = lines.iter().map(|line| ("baggage", *line)).collect();
    Baggage::extract(&headers(&lines), limits)
}

fn sent(baggage: &Baggage) -> Option<String> {
    let mut map = HeaderMap::new();
    baggage.inject(&mut map);
    map.get("baggage").map(|value| value.to_str().unwrap().to_owned())
}

#[test]
fn baggage_as_the_specification_shows_it() {
    let read =
        baggage(&["key1=value1;property1;property2, key2 = value2, key3=value3; p=v"]).unwrap();
    assert_eq!(read.get("key1"), Some("value1"));
    assert_eq!(read.entries()[0].properties(), "property1;property2");
    assert_eq!(
        (read.get("key2"), read.get("key3"), read.get("key4")),
        (Some("value2"), Some("value3"), None)
    );
    assert_eq!(sent(&read).unwrap(), "key1=value1;property1;property2,key2=value2,key3=value3;p=v");
    let read = baggage(&["userId=Am%C3%A9lie,serverNode=DF%2028", "isProduction=false"]).unwrap();
    assert_eq!((read.get("userId"), read.get("serverNode")), (Some("Am\u{e9}lie"), Some("DF 28")));
    assert_eq!(sent(&read).unwrap(), "userId=Am%C3%A9lie,serverNode=DF%2028,isProduction=false");
    assert_eq!(baggage(&[]), None);
    assert!(baggage(&[""]).unwrap().is_empty());
}

#[test]
fn what_cannot_be_read_is_left_out_and_counted() {
    let read = baggage(&["a=1,b,=2,c c=3,d=\"4\",e=\u{e9},f=%zz,g=%FF,h="]).unwrap();
    let all: Vec<_> = read.entries().iter().map(|entry| (entry.key(), entry.value())).collect();
    assert_eq!(all, [("a", "1"), ("f", "%zz"), ("g", "\u{fffd}"), ("h", "")]);
    assert_eq!(read.dropped(), 5);
}

#[test]
fn baggage_has_limits() {
    let line = |count: usize| (0..count).map(|at| format!("k{at}=v")).collect::<Vec<_>>().join(",");
    let read = baggage(&[&line(65)]).unwrap();
    assert_eq!((read.entries().len(), read.dropped()), (64, 1));
    // Exactly 8192 bytes fit, and a small one fits behind one that does not.
    let long = format!("k={}", "v".repeat(8186));
    let read = baggage(&[&format!("{long},a=12,b=1")]).unwrap();
    assert_eq!((read.get("a"), read.get("b"), read.dropped()), (None, Some("1"), 1));
    assert_eq!(sent(&read).unwrap().len(), 8192);
    let least = BaggageLimits::default().entries(1).bytes(3);
    let read = baggage_within(&["ab=1,a=1,b=1"], least).unwrap();
    assert_eq!((read.get("a"), read.entries().len(), read.dropped()), (Some("1"), 1, 2));
}

#[test]
fn what_is_beyond_the_limits_allocates_nothing() {
    let lines = |count: usize| headers(&[("baggage", &vec!["key=value;more"; count].join(","))]);
    let [few, many] = [2, 1000].map(|count| {
        let (map, limits) = (lines(count), BaggageLimits::default().entries(1));
        let counted = allocation_counter::measure(|| drop(Baggage::extract(&map, limits)));
        counted.count_total
    });
    assert_eq!(few, many);
}

#[test]
fn properties_are_of_the_grammar() {
    let read = baggage(&["a=1;p, b=2 ; p = v=w ;q , c=3;p="]).unwrap();
    let all: Vec<_> = read.entries().iter().map(Entry::properties).collect();
    assert_eq!((all, read.dropped()), (vec!["p", "p = v=w ;q", "p="], 0));
    for bad in ["a=1;", "a=1;p;", "a=1;;p", "a=1;=v", "a=1;p q", "a=1;(=v", "a=1;p=v w", "a=1;p=\""]
    {
        let read = baggage(&[bad]).unwrap();
        assert_eq!((read.is_empty(), read.dropped()), (true, 1), "{bad}");
    }
}

#[test]
fn nothing_is_written_where_nothing_fits() {
    // As it came each sign of per cent was one byte, and now it is three.
    let read = baggage(&[&format!("a={}", "%".repeat(4000))]).unwrap();
    assert_eq!((read.entries().len(), sent(&read)), (1, None));
}

#[test]
fn baggage_is_written_by_the_grammar() {
    let mut made = Baggage::new();
    made.insert("tenant", "blue, \"dark\"; 100%").unwrap();
    assert_eq!(sent(&made).unwrap(), "tenant=blue%2C%20%22dark%22%3B%20100%25");
    made.insert("tenant", "red").unwrap();
    let kept = made.clone();
    made.insert("n", "1").unwrap();
    assert_eq!((kept.entries().len(), sent(&made).unwrap()), (1, "tenant=red,n=1".to_owned()));
    for (key, value) in [("", "v"), ("a b", "v"), ("a,b", "v"), ("k", &*"v".repeat(8192))] {
        assert!(made.insert(key, value).is_err(), "{key}");
    }
    made.remove("tenant");
    made.remove("n");
    assert_eq!(sent(&made), None);
    let mut there = headers(&[("baggage", "mine=1")]);
    kept.inject(&mut there);
    assert_eq!(there["baggage"], "mine=1");
}

#[tokio::test]
async fn baggage_goes_on_only_where_it_is_asked_for() {
    let _listening = listening();
    let came = || headers(&[("baggage", "tenant=blue")]);
    let reads = ServerSpanLayer::new().baggage(BaggageLimits::default());
    let sent = &hop_by(reads.clone(), ClientSpanLayer::new(), came(), 1).await[0];
    assert_eq!(sent["baggage"], "tenant=blue");
    let sent = &hop_by(ServerSpanLayer::new(), ClientSpanLayer::new(), came(), 1).await[0];
    assert!(!sent.contains_key("baggage"));
    let strangers = reads.trust(kit_trace::Trust::none());
    let sent = &hop_by(strangers, ClientSpanLayer::new(), came(), 1).await[0];
    assert!(!sent.contains_key("baggage"));
}

proptest! {
    #[test]
    fn what_is_written_is_read(trace in 1u128.., span in 1u64.., flags in 0u8..4) {
        let (trace_id, span_id) = (TraceId::new(trace).unwrap(), SpanId::new(span).unwrap());
        let context = TraceContext::new(trace_id, span_id, Flags::from_bits(flags));
                let all = written(&(W3c, (B3, (B3Single, Jaeger))), &context);
        prop_assert_eq!(W3c.extract(&all), Some(context.clone().with_remote(true)));
        let plain = TraceContext::new(trace_id, span_id, Flags::NONE.with_sampled(flags & 1 == 1));
        let plain = Some(plain.with_remote(true));
        prop_assert_eq!(B3.extract(&all), plain.clone());
        prop_assert_eq!(B3Single.extract(&all), plain.clone());
        prop_assert_eq!(Jaeger.extract(&all), plain);
    }

    #[test]
    fn baggage_goes_there_and_back(entries in proptest::collection::vec(("[a-z!#$%&'*+.^_`|~-]{1,8}", ".{0,20}"), 0..10)) {
        let mut made = Baggage::new();
        for (key, value) in &entries {
            made.insert(key, value).unwrap();
        }
        let mut map = HeaderMap::new();
        made.inject(&mut map);
        let read = Baggage::extract(&map, BaggageLimits::default()).unwrap_or_default();
        prop_assert_eq!(read, made);
    }

    #[test]
    fn no_state_makes_another(line in "[a-z0-9@=, \t_A]{0,60}") {
        if let Some(state) = TraceState::parse(&line) {
            prop_assert_eq!(TraceState::parse(state.as_str()), Some(state));
        }
    }
}
