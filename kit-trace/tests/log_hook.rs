//! The access log.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
#![allow(dead_code, reason = "shared")]

#[path = "support/written.rs"]
mod written;

use http::{Extensions, HeaderMap, StatusCode};
use kit_endpoint::{Fault, Kind, Peer};
use kit_trace::{
    Flags, SpanId, TraceContext, TraceId,
    log::{AccessLog, Filter, Format, Lines, Rate, Sampling},
};
use kit_transport::{Call, Hook, Phase, Protocol, RequestIds, Watch};
use std::{collections::BTreeMap, error::Error, fmt};
use tracing_subscriber::prelude::*;
use written::{Written, heard};

type Line = BTreeMap<String, String>;

/// The lines that `requests` leave.
fn logged(filter: &str, requests: impl FnOnce()) -> Vec<Line> {
    let written = Written::default();
    let lines = Lines::new(Format::Logfmt, written.clone());
    let filter = Filter::new(filter).unwrap();
    heard(tracing_subscriber::registry().with(filter).with(lines), requests);
    written.logfmt()
}

fn one(lines: Vec<Line>) -> Line {
    assert_eq!(lines.len(), 1, "{lines:#?}");
    lines.into_iter().next().unwrap()
}

/// Begins a request.
fn asked<'a>(
    hook: &impl Hook<Observer = Option<kit_trace::log::access::AccessLine>>,
    call: impl FnOnce(&'a HeaderMap) -> Call<'a>,
    headers: &'a HeaderMap,
) -> Watch<Option<kit_trace::log::access::AccessLine>> {
    Watch::new(hook.before(&call(headers), &mut Extensions::new()))
}

#[test]
fn a_request_is_logged_once_with_all_that_is_known() {
    let line = one(logged("info", || {
        let mut headers = HeaderMap::new();
        headers.insert("x-request-id", "the-id".parse().unwrap());
        let peer = Peer::Ip("[::ffff:10.0.0.1]:4711".parse().unwrap());
        let call = Call::new(Protocol::Http, "GET", &headers);
        let call = call.route(Some("/users/{id}")).peer(Some(peer));
        let mut extensions = Extensions::new();
        extensions.insert(TraceContext::new(
            TraceId::new(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736).unwrap(),
            SpanId::new(0x00f0_67aa_0ba9_02b7).unwrap(),
            Flags::default(),
        ));
        let mut watch = Watch::new((RequestIds, AccessLog).before(&call, &mut extensions));
        watch.received(3);
        watch.sent(26);
        watch.after(StatusCode::OK, &mut HeaderMap::new());
        watch.finish();
    }));
    let expected = [
        ("level", "info"),
        ("target", "access"),
        ("message", "request"),
        ("protocol", "http"),
        ("method", "GET"),
        ("route", "/users/{id}"),
        ("outcome", "OK"),
        ("status", "200"),
        ("received", "3"),
        ("sent", "26"),
        ("request_id", "the-id"),
        ("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("span_id", "00f067aa0ba902b7"),
        ("peer", "10.0.0.1"),
    ];
    for (name, value) in expected {
        assert_eq!(line[name], value, "{name}");
    }
    line["duration_us"].parse::<u64>().unwrap();
    assert_eq!(line.len(), expected.len() + 2, "{line:?}");
}

/// A fault of a kind, or the refusal of a layer.
#[derive(Debug)]
struct Failed(Kind, bool);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failed")
    }
}

impl Error for Failed {}

impl Fault for Failed {
    fn kind(&self) -> Kind {
        self.0
    }

    fn refused(&self) -> bool {
        self.1
    }
}

#[test]
fn the_level_says_who_must_act() {
    for kind in Kind::ALL {
        for refused in [false, true] {
            let headers = HeaderMap::new();
            let line = one(logged("info", || {
                let call = |headers| Call::new(Protocol::Grpc, "a/b", headers);
                let mut watch = asked(&AccessLog, call, &headers);
                watch.failed_at(Phase::Endpoint, &Failed(kind, refused));
                watch.finish();
            }));
            let level = match kind {
                Kind::Internal | Kind::Unknown | Kind::DataLoss if !refused => "error",
                Kind::Unavailable | Kind::DeadlineExceeded => "warn",
                _ => "info",
            };
            assert_eq!(line["level"], level, "{kind} {refused}");
            assert_eq!(line["outcome"], kind.name());
            assert_eq!(line["error"], "failed");
        }
    }
}

#[test]
fn a_caller_that_leaves_is_logged() {
    let headers = HeaderMap::new();
    let line = one(logged("info", || {
        let call = |headers| Call::new(Protocol::Http, "GET", headers);
        drop(asked(&AccessLog, call, &headers));
    }));
    assert_eq!((&*line["outcome"], &*line["level"]), ("CANCELLED", "info"));
    assert!(!line.contains_key("status"));
}

#[test]
fn of_a_method_64_bytes_are_logged() {
    for (method, expected) in [
        ("PATCH".to_owned(), "PATCH".to_owned()),
        ("m".repeat(65), "m".repeat(64)),
        // A character that does not fit is left out whole.
        ("m".repeat(63) + "é", "m".repeat(63)),
    ] {
        let headers = HeaderMap::new();
        let line = one(logged("info", || {
            let call = |headers| Call::new(Protocol::Http, &method, headers);
            asked(&AccessLog, call, &headers).finish();
        }));
        assert_eq!(line["method"], expected);
    }
}

#[test]
fn while_nobody_listens_there_is_no_line() {
    let headers = HeaderMap::new();
    for (filter, lines) in [("off", 0), ("info,access=off", 0), ("access=error", 1)] {
        let logged = logged(filter, || {
            let call = |headers| Call::new(Protocol::Http, "GET", headers);
            asked(&AccessLog, call, &headers).finish();
            let mut failed = asked(&AccessLog, call, &headers);
            failed.failed_with(Kind::Internal, None);
            failed.finish();
        });
        assert_eq!(logged.len(), lines, "{filter}");
    }
}

#[test]
fn of_many_requests_some_are_logged_of_each_route() {
    let headers = HeaderMap::new();
    let sampling = Sampling::new(Rate::first(2));
    let lines = logged("info", || {
        let hook = AccessLog.sampling(sampling);
        for _ in 0..10 {
            let call = |headers| Call::new(Protocol::Http, "GET", headers).route(Some("/one"));
            asked(&hook, call, &headers).finish();
            let call = |headers| Call::new(Protocol::Http, "GET", headers).route(Some("/other"));
            asked(&hook, call, &headers).finish();
        }
    });
    let of = |route| lines.iter().filter(|line| line["route"] == route).count();
    // The clock is not paused: a second may end in between.
    assert!((2..=4).contains(&of("/one")) && (2..=4).contains(&of("/other")), "{lines:#?}");
}
