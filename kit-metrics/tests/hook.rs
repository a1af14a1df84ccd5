//! The servers' metrics as hooks of a transport.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::float_cmp, reason = "counts are exact")]

mod page;

use http::{Extensions, HeaderMap, StatusCode};
use kit_metrics::{
    GrpcClient, GrpcServer, HttpClient, HttpServer, Kind, Prometheus, Trace, prometheus::Format,
};
use kit_transport::{Call, Hook, Phase, Protocol, Watch};
use page::Page;
use std::time::Duration;
use tokio::time::advance;

const HTTP: &str = "http_server_request_duration_seconds";
const RPC: &str = "rpc_server_call_duration_seconds";

fn before<H: Hook>(hook: &H, protocol: Protocol, method: &str) -> Watch<H::Observer> {
    let headers = HeaderMap::new();
    let route = (protocol == Protocol::Http).then_some("/users/{id}");
    let call = Call::new(protocol, method, &headers).route(route);
    Watch::new(hook.before(&call, &mut Extensions::new()))
}

#[tokio::test(start_paused = true)]
async fn a_request_is_recorded_when_it_ends() {
    let metrics = Prometheus::new();
    let hook = HttpServer::new(metrics.clone());
    let mut watch = before(&hook, Protocol::Http, "GET");
    advance(Duration::from_secs(2)).await;
    watch.after(StatusCode::OK, &mut HeaderMap::new());
    let active = [("http_request_method", "GET"), ("url_scheme", "http")];
    let page = Page::read(&metrics.render());
    assert_eq!(page.get("http_server_active_requests", &active), Some(1.0));
    watch.finish();
    let labels = [
        ("http_request_method", "GET"),
        ("http_response_status_code", "200"),
        ("http_route", "/users/{id}"),
        ("url_scheme", "http"),
    ];
    let page = Page::read(&metrics.render());
    assert_eq!(page.get(&format!("{HTTP}_sum"), &labels), Some(2.0));
    assert_eq!(page.get("http_server_active_requests", &active), Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_peer_left_is_cancelled() {
    let metrics = Prometheus::new();
    drop(before(&HttpServer::new(metrics.clone()), Protocol::Http, "GET"));
    let labels = [
        ("error_type", "CANCELLED"),
        ("http_request_method", "GET"),
        ("http_route", "/users/{id}"),
        ("url_scheme", "http"),
    ];
    assert_eq!(Page::read(&metrics.render()).get(&format!("{HTTP}_count"), &labels), Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn a_call_has_the_code_of_its_fault() {
    let metrics = Prometheus::new();
    let mut watch = before(&GrpcServer::new(metrics.clone()), Protocol::Grpc, "a.B/C");
    watch.after(StatusCode::OK, &mut HeaderMap::new());
    watch.failed_with(Kind::NotFound, None);
    watch.finish();
    let labels = [
        ("rpc_method", "a.B/C"),
        ("rpc_response_status_code", "NOT_FOUND"),
        ("rpc_system_name", "grpc"),
    ];
    assert_eq!(Page::read(&metrics.render()).get(&format!("{RPC}_count"), &labels), Some(1.0));
}

/// A transport reads the head before it looks for the method: a time-out that is none is
/// a mistake of that head, of a kind that methods have too.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_names_no_method() {
    let metrics = Prometheus::new();
    let hook = GrpcServer::new(metrics.clone()).methods(["known.A/B"]);
    let refuse = |method: &str, phase| {
        let mut watch = before(&hook, Protocol::Grpc, method);
        watch.failed_at(phase, &Bad);
        watch.finish();
    };
    (0..1000).for_each(|number| refuse(&format!("made.Up/{number}"), Phase::Decode));
    refuse("known.A/B", Phase::Decode);
    refuse("there.A/B", Phase::Endpoint);
    let page = Page::read(&metrics.render());
    for (method, count) in [("_OTHER", 1000.0), ("known.A/B", 1.0), ("there.A/B", 1.0)] {
        let labels = [
            ("rpc_method", method),
            ("rpc_response_status_code", "INVALID_ARGUMENT"),
            ("rpc_system_name", "grpc"),
        ];
        assert_eq!(page.get(&format!("{RPC}_count"), &labels), Some(count), "{method}");
    }
    assert_eq!(page.of(&format!("{RPC}_count")).count(), 3);
}

#[derive(Debug)]
struct Bad;

impl std::fmt::Display for Bad {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("bad")
    }
}

impl std::error::Error for Bad {}

impl kit_endpoint::Fault for Bad {
    fn kind(&self) -> Kind {
        Kind::InvalidArgument
    }
}

#[tokio::test(start_paused = true)]
async fn a_pair_records_each_protocol_once() {
    let metrics = Prometheus::new();
    let hooks = (HttpServer::new(metrics.clone()), GrpcServer::new(metrics.clone()));
    for (protocol, method) in [(Protocol::Http, "GET"), (Protocol::Grpc, "a.B/C")] {
        let mut watch = before(&hooks, protocol, method);
        watch.after(StatusCode::OK, &mut HeaderMap::new());
        watch.finish();
    }
    let page = Page::read(&metrics.render());
    let sums = [page.sum(&format!("{HTTP}_count")), page.sum(&format!("{RPC}_count"))];
    assert_eq!(sums, [1.0, 1.0]);
}

/// What a tracer leaves in the extensions.
#[derive(Clone)]
struct Sampled(bool);

fn trace(extensions: &Extensions) -> Option<Trace> {
    extensions.get::<Sampled>().filter(|sampled| sampled.0)?;
    Trace::new([0xab; 16], [0xcd; 8])
}

#[tokio::test(start_paused = true)]
async fn a_client_is_measured_as_a_server_is() {
    let metrics = Prometheus::new();
    let hooks = (
        HttpClient::new(metrics.clone(), "users", 80),
        GrpcClient::new(metrics.clone(), "users", 80),
    );
    for (protocol, method) in [(Protocol::Http, "GET"), (Protocol::Grpc, "a.B/C")] {
        let mut watch = before(&hooks, protocol, method);
        advance(Duration::from_secs(2)).await;
        watch.failed_with(Kind::Unavailable, None);
        watch.finish();
    }
    let page = Page::read(&metrics.render());
    for name in ["http_client_request_duration_seconds", "rpc_client_call_duration_seconds"] {
        assert_eq!(
            (page.sum(&format!("{name}_count")), page.sum(&format!("{name}_sum"))),
            (1.0, 2.0)
        );
        let (labels, _) =
            page.of(&format!("{name}_count")).next().map(|(l, n)| (l.clone(), n)).unwrap();
        assert_eq!(labels["error_type"], "UNAVAILABLE");
    }
}

#[tokio::test(start_paused = true)]
async fn a_trace_that_is_sampled_is_an_example() {
    fn run<H: Hook>(hook: &H, protocol: Protocol, sampled: bool) {
        let headers = HeaderMap::new();
        let call = Call::new(protocol, "GET", &headers).route(Some("/a"));
        let mut extensions = Extensions::new();
        extensions.insert(Sampled(sampled));
        Watch::new(hook.before(&call, &mut extensions)).finish();
    }

    fn examples<H: Hook>(
        hook: impl Fn(Prometheus) -> H,
        protocol: Protocol,
        sampled: bool,
    ) -> usize {
        let metrics = Prometheus::new();
        run(&hook(metrics.clone()), protocol, sampled);
        let page = metrics.render_as(Format::OpenMetrics);
        page.matches(&format!("# {{trace_id=\"{}\"", "ab".repeat(16))).count()
    }

    for sampled in [true, false] {
        let found = [
            examples(|to| HttpServer::new(to).exemplars(trace), Protocol::Http, sampled),
            examples(|to| GrpcServer::new(to).exemplars(trace), Protocol::Grpc, sampled),
            examples(|to| HttpClient::new(to, "a", 1).exemplars(trace), Protocol::Http, sampled),
            examples(|to| GrpcClient::new(to, "a", 1).exemplars(trace), Protocol::Grpc, sampled),
        ];
        assert_eq!(found, [usize::from(sampled); 4]);
    }
    assert_eq!(examples(HttpServer::new, Protocol::Http, true), 0, "nobody asked for them");
}
