//! What a client does, under OpenTelemetry's names, and whether they are.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::float_cmp, reason = "counts are exact")]

mod page;

use http::StatusCode;
use kit_metrics::{
    GrpcClient, GrpcServer, HttpClient, HttpServer, Kind, Prometheus, Registry, client::LIMIT,
};
use metrics::Unit;
use opentelemetry_semantic_conventions::{attribute, metric};
use page::Page;
use std::{collections::BTreeSet, time::Duration};

const HTTP: &str = "http_client_request_duration_seconds_count";
const RPC: &str = "rpc_client_call_duration_seconds_count";
const TIME: Duration = Duration::from_millis(20);
const SERVER: [(&str, &str); 2] = [("server_address", "users"), ("server_port", "8080")];

fn read(metrics: &Prometheus) -> Page {
    Page::read(&metrics.render())
}

fn http(status: Option<u16>, failure: Option<Kind>) -> Page {
    let metrics = Prometheus::new();
    let status = status.map(|status| StatusCode::from_u16(status).unwrap());
    let client = HttpClient::new(metrics.clone(), "users", 8080);
    client.begin("GET", Some("/users/{id}")).end(status, failure, TIME);
    read(&metrics)
}

fn grpc(failure: Option<Kind>) -> Page {
    let metrics = Prometheus::new();
    GrpcClient::new(metrics.clone(), "users", 8080).begin("a.B/C").end(failure, TIME);
    read(&metrics)
}

fn labels<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    SERVER.iter().chain(more).copied().collect()
}

#[test]
fn a_request_is_recorded_by_its_server_and_template() {
    let ways = [("http_request_method", "GET"), ("url_template", "/users/{id}")];
    let cases: [(Option<u16>, Option<Kind>, &[_]); 5] = [
        (Some(200), None, &[("http_response_status_code", "200")]),
        (
            Some(404),
            Some(Kind::NotFound),
            &[("http_response_status_code", "404"), ("error_type", "404")],
        ),
        (Some(503), None, &[("http_response_status_code", "503"), ("error_type", "503")]),
        (None, Some(Kind::Unavailable), &[("error_type", "UNAVAILABLE")]),
        (
            Some(200),
            Some(Kind::Cancelled),
            &[("http_response_status_code", "200"), ("error_type", "CANCELLED")],
        ),
    ];
    for (status, failure, ending) in cases {
        let page = http(status, failure);
        let labels: Vec<_> = labels(&ways).into_iter().chain(ending.iter().copied()).collect();
        assert_eq!(page.get(HTTP, &labels), Some(1.0), "{labels:?} {:?}", page.samples);
    }
}

#[test]
fn a_call_has_the_code_of_its_failure() {
    let ways = [("rpc_system_name", "grpc"), ("rpc_method", "a.B/C")];
    let cases: [(Option<Kind>, &[_]); 4] = [
        (None, &[("rpc_response_status_code", "OK")]),
        (
            Some(Kind::NotFound),
            &[("rpc_response_status_code", "NOT_FOUND"), ("error_type", "NOT_FOUND")],
        ),
        (
            Some(Kind::PayloadTooLarge),
            &[
                ("rpc_response_status_code", "RESOURCE_EXHAUSTED"),
                ("error_type", "RESOURCE_EXHAUSTED"),
            ],
        ),
        (
            Some(Kind::Cancelled),
            &[("rpc_response_status_code", "CANCELLED"), ("error_type", "CANCELLED")],
        ),
    ];
    for (failure, ending) in cases {
        let labels: Vec<_> = labels(&ways).into_iter().chain(ending.iter().copied()).collect();
        assert_eq!(grpc(failure).get(RPC, &labels), Some(1.0), "{labels:?}");
    }
}

#[test]
fn a_request_that_is_not_ended_is_not_recorded() {
    let metrics = Prometheus::new();
    drop(HttpClient::new(metrics.clone(), "users", 80).begin("GET", None));
    drop(GrpcClient::new(metrics.clone(), "users", 80).begin("a.B/C"));
    assert_eq!(metrics.render(), "");
}

#[test]
fn two_servers_are_two_sets_of_series() {
    let metrics = Prometheus::new();
    for (address, calls) in [("users", 1), ("orders", 2)] {
        let client = HttpClient::new(metrics.clone(), address, 80);
        for _ in 0..calls {
            client.begin("GET", None).end(Some(StatusCode::OK), None, TIME);
        }
    }
    let page = read(&metrics);
    let counts: BTreeSet<_> = page
        .of(HTTP)
        .map(|(labels, count)| (labels["server_address"].clone(), count.to_string()))
        .collect();
    assert_eq!(
        counts,
        [("orders", "2"), ("users", "1")].map(|(a, n)| (a.to_owned(), n.to_owned())).into()
    );
}

#[test]
fn templates_and_methods_have_a_bound() {
    let metrics = Prometheus::new();
    let http = HttpClient::new(metrics.clone(), "users", 80);
    let grpc = GrpcClient::new(metrics.clone(), "users", 80);
    for number in 0..2 * LIMIT {
        http.begin("GET", Some(&format!("/{number}"))).end(Some(StatusCode::OK), None, TIME);
        grpc.begin(&format!("a.B/C{number}")).end(None, TIME);
    }
    let page = read(&metrics);
    for (name, label) in [(HTTP, "url_template"), (RPC, "rpc_method")] {
        assert_eq!(page.of(name).count(), LIMIT + 1, "{name}");
        let (_, other) = page.of(name).find(|(labels, _)| labels[label] == "other").unwrap();
        assert_eq!(other, f64::from(u32::try_from(LIMIT).unwrap()), "{name}");
    }
    http.begin("BREW", Some("/0")).end(Some(StatusCode::OK), None, TIME);
    let page = read(&metrics);
    assert!(page.of(HTTP).any(|(labels, _)| labels["http_request_method"] == "_OTHER"));
}

#[test]
fn names_are_those_of_the_semantic_conventions() {
    let registry = Registry::new();
    let server = HttpServer::new(registry.clone());
    server.begin("GET", Some("/a")).end(Some(StatusCode::BAD_GATEWAY), None, TIME);
    GrpcServer::new(registry.clone()).begin("a.B/C").end(Some(Kind::Internal), TIME);
    let client = HttpClient::new(registry.clone(), "users", 80);
    client.begin("GET", Some("/a")).end(Some(StatusCode::NOT_FOUND), None, TIME);
    GrpcClient::new(registry.clone(), "users", 80).begin("a.B/C").end(Some(Kind::Internal), TIME);

    // Everything that a failure can have: required, conditionally required or,
    // at an HTTP client, the opt-in template.
    let expected = [
        (
            metric::HTTP_SERVER_REQUEST_DURATION,
            Some(Unit::Seconds),
            vec![
                attribute::ERROR_TYPE,
                attribute::HTTP_REQUEST_METHOD,
                attribute::HTTP_RESPONSE_STATUS_CODE,
                attribute::HTTP_ROUTE,
                attribute::URL_SCHEME,
            ],
        ),
        (
            metric::HTTP_SERVER_ACTIVE_REQUESTS,
            None,
            vec![attribute::HTTP_REQUEST_METHOD, attribute::URL_SCHEME],
        ),
        (
            metric::RPC_SERVER_CALL_DURATION,
            Some(Unit::Seconds),
            vec![
                attribute::ERROR_TYPE,
                attribute::RPC_METHOD,
                attribute::RPC_RESPONSE_STATUS_CODE,
                attribute::RPC_SYSTEM_NAME,
            ],
        ),
        (
            metric::HTTP_CLIENT_REQUEST_DURATION,
            Some(Unit::Seconds),
            vec![
                attribute::ERROR_TYPE,
                attribute::HTTP_REQUEST_METHOD,
                attribute::HTTP_RESPONSE_STATUS_CODE,
                attribute::SERVER_ADDRESS,
                attribute::SERVER_PORT,
                attribute::URL_TEMPLATE,
            ],
        ),
        (
            metric::RPC_CLIENT_CALL_DURATION,
            Some(Unit::Seconds),
            vec![
                attribute::ERROR_TYPE,
                attribute::RPC_METHOD,
                attribute::RPC_RESPONSE_STATUS_CODE,
                attribute::RPC_SYSTEM_NAME,
                attribute::SERVER_ADDRESS,
                attribute::SERVER_PORT,
            ],
        ),
    ];
    let reading = registry.read();
    assert_eq!(reading.metrics.len(), expected.len());
    for (name, unit, attributes) in expected {
        let metric = reading.metrics.iter().find(|metric| metric.name == name).expect(name);
        assert_eq!(metric.unit, unit, "{name}");
        let labels: Vec<_> = metric.series[0].labels.iter().map(|(name, _)| &**name).collect();
        assert_eq!(labels, attributes, "{name}");
    }
}
