//! What a server does, under OpenTelemetry's names.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::float_cmp, reason = "counts are exact")]

mod page;

use http::StatusCode;
use kit_metrics::{GrpcServer, HttpServer, Kind, Prometheus, server::LIMIT};
use page::Page;
use std::time::Duration;

const HTTP: &str = "http_server_request_duration_seconds_count";
const ACTIVE: &str = "http_server_active_requests";
const RPC: &str = "rpc_server_call_duration_seconds_count";
const TIME: Duration = Duration::from_millis(20);

fn read(metrics: &Prometheus) -> Page {
    Page::read(&metrics.render())
}

fn http(server: &HttpServer, method: &str, route: Option<&str>, status: u16) {
    let status = StatusCode::from_u16(status).unwrap();
    server.begin(method, route).end(Some(status), Kind::from_http_status(status), TIME);
}

#[test]
fn a_request_is_recorded_under_its_route() {
    let metrics = Prometheus::new();
    http(&HttpServer::new(metrics.clone()), "GET", Some("/users/{id}"), 200);
    let page = read(&metrics);
    let labels = [
        ("http_request_method", "GET"),
        ("http_response_status_code", "200"),
        ("http_route", "/users/{id}"),
        ("url_scheme", "http"),
    ];
    assert_eq!(page.get(HTTP, &labels), Some(1.0));
    let seconds = "http_server_request_duration_seconds";
    assert_eq!(page.bucket(seconds, &labels, "0.01"), Some(0.0));
    assert_eq!(page.bucket(seconds, &labels, "0.025"), Some(1.0));
    let bounds: Vec<_> = page
        .of("http_server_request_duration_seconds_bucket")
        .map(|(labels, _)| labels["le"].as_str())
        .collect();
    let advised = ".005 .01 .025 .05 .075 .1 .25 .5 .75 1 2.5 5 7.5 10";
    let advised: Vec<f64> = advised.split(' ').map(|bound| bound.parse().unwrap()).collect();
    let read: Vec<f64> = bounds[..14].iter().map(|bound| bound.parse().unwrap()).collect();
    assert_eq!((read, bounds[14]), (advised, "+Inf"));
}

#[test]
fn a_path_that_matched_nothing_has_no_route() {
    let metrics = Prometheus::new();
    http(&HttpServer::new(metrics.clone()), "GET", None, 404);
    let labels = [
        ("http_request_method", "GET"),
        ("http_response_status_code", "404"),
        ("url_scheme", "http"),
    ];
    assert_eq!(read(&metrics).get(HTTP, &labels), Some(1.0));
}

#[test]
fn methods_that_nobody_knows_are_other() {
    let metrics = Prometheus::new();
    let server = HttpServer::https(metrics.clone());
    for method in ["BREW", "get", "PROPFIND"] {
        http(&server, method, Some("/"), 405);
    }
    http(&server, "PATCH", Some("/"), 405);
    let page = read(&metrics);
    let labels = |method| {
        [
            ("http_request_method", method),
            ("http_response_status_code", "405"),
            ("http_route", "/"),
            ("url_scheme", "https"),
        ]
    };
    assert_eq!(page.get(HTTP, &labels("_OTHER")), Some(3.0));
    assert_eq!(page.get(HTTP, &labels("PATCH")), Some(1.0));
}

#[test]
fn a_failure_of_the_server_has_an_error_type() {
    let metrics = Prometheus::new();
    let server = HttpServer::new(metrics.clone());
    http(&server, "GET", Some("/"), 503);
    server.begin("GET", Some("/")).end(None, Some(Kind::Cancelled), TIME);
    server.begin("GET", Some("/")).end(Some(StatusCode::OK), Some(Kind::Internal), TIME);
    http(&server, "GET", Some("/"), 400);
    let page = read(&metrics);
    let mut ends: Vec<_> = page
        .of(HTTP)
        .map(|(labels, count)| {
            assert_eq!(count, 1.0, "{labels:?}");
            let label = |name| labels.get(name).map_or("", String::as_str);
            (label("http_response_status_code"), label("error_type"))
        })
        .collect();
    ends.sort_unstable();
    assert_eq!(ends, [("", "CANCELLED"), ("200", "INTERNAL"), ("400", ""), ("503", "503")]);
}

#[test]
fn a_request_is_active_until_its_call_is_dropped() {
    let metrics = Prometheus::new();
    let server = HttpServer::new(metrics.clone());
    let labels = [("http_request_method", "GET"), ("url_scheme", "http")];
    let (first, second) = (server.begin("GET", None), server.begin("GET", None));
    assert_eq!(read(&metrics).get(ACTIVE, &labels), Some(2.0));
    first.end(Some(StatusCode::OK), None, TIME);
    assert_eq!(read(&metrics).get(ACTIVE, &labels), Some(1.0));
    drop(second);
    let page = read(&metrics);
    assert_eq!(page.get(ACTIVE, &labels), Some(0.0));
    assert_eq!(page.sum(HTTP), 1.0, "dropped is not recorded");
}

#[test]
fn routes_past_the_limit_are_other_and_keep_method_and_status() {
    let metrics = Prometheus::new().limit(usize::MAX);
    let server = HttpServer::new(metrics.clone());
    for route in 0..LIMIT + 50 {
        http(&server, "GET", Some(&format!("/{route}")), 200);
    }
    for status in [200, 500] {
        http(&server, "POST", Some("/new"), status);
    }
    http(&server, "GET", Some("/0"), 200);
    let page = read(&metrics);
    let count = |method, route, status, error| {
        let mut labels = vec![
            ("http_request_method", method),
            ("http_response_status_code", status),
            ("http_route", route),
            ("url_scheme", "http"),
        ];
        labels.extend(error);
        page.get(HTTP, &labels)
    };
    assert_eq!(count("GET", "other", "200", None), Some(50.0));
    assert_eq!(count("POST", "other", "200", None), Some(1.0));
    assert_eq!(count("POST", "other", "500", Some(("error_type", "500"))), Some(1.0));
    assert_eq!(count("GET", "/0", "200", None), Some(2.0), "what was known stays known");
    assert!(page.of(HTTP).count() < LIMIT + 10);
}

#[test]
fn endings_past_the_limit_are_other_too() {
    let metrics = Prometheus::new().limit(usize::MAX);
    let server = HttpServer::new(metrics.clone());
    let all = 40 * 400;
    for route in 0..40 {
        for status in 100..500 {
            http(&server, "GET", Some(&format!("/{route}")), status);
        }
    }
    let page = read(&metrics);
    assert!(page.of(HTTP).count() <= LIMIT + LIMIT / 4 + 1, "{}", page.of(HTTP).count());
    assert_eq!(page.sum(HTTP), f64::from(all), "none is lost");
}

#[test]
fn a_call_is_recorded_under_its_method_and_code() {
    let metrics = Prometheus::new();
    let server = GrpcServer::new(metrics.clone());
    let labels = |code, error: Option<&'static str>| {
        let mut labels = vec![
            ("rpc_method", "greeter.v1.Greeter/Greeting"),
            ("rpc_response_status_code", code),
            ("rpc_system_name", "grpc"),
        ];
        labels.extend(error.map(|error| ("error_type", error)));
        labels
    };
    for failure in [None, Some(Kind::NotFound), Some(Kind::Unavailable), Some(Kind::NotAcceptable)]
    {
        server.begin("greeter.v1.Greeter/Greeting").end(failure, TIME);
    }
    let page = read(&metrics);
    assert_eq!(page.get(RPC, &labels("OK", None)), Some(1.0));
    assert_eq!(page.get(RPC, &labels("NOT_FOUND", None)), Some(1.0));
    assert_eq!(page.get(RPC, &labels("UNAVAILABLE", Some("UNAVAILABLE"))), Some(1.0));
    // The kind is HTTP's alone; gRPC answers it by this code.
    assert_eq!(page.get(RPC, &labels("INVALID_ARGUMENT", None)), Some(1.0));
}

#[test]
fn made_up_methods_make_no_series() {
    let metrics = Prometheus::new();
    let server = GrpcServer::new(metrics.clone());
    let kinds = [
        Kind::Unimplemented,
        Kind::Cancelled,
        Kind::Unauthenticated,
        // gRPC's code for it is INVALID_ARGUMENT.
        Kind::UnsupportedMediaType,
    ];
    for (number, kind) in kinds.into_iter().cycle().take(80).enumerate() {
        server.begin(&format!("made.Up/{number}")).end(Some(kind), TIME);
    }
    let page = read(&metrics);
    let methods: Vec<_> =
        page.of(RPC).map(|(labels, count)| (labels["rpc_method"].as_str(), count)).collect();
    assert_eq!(methods, [("_OTHER", 20.0); 4]);
}

#[test]
fn a_method_said_to_be_there_is_known_before_it_succeeds() {
    let metrics = Prometheus::new();
    let server = GrpcServer::new(metrics.clone()).methods(["a.B/C"]);
    server.begin("a.B/C").end(Some(Kind::Unavailable), TIME);
    let page = read(&metrics);
    assert!(page.of(RPC).any(|(labels, _)| labels["rpc_method"] == "a.B/C"));
}
