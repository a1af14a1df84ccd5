//! What is measured is not slowed down: no allocation once a series is known.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use allocation_counter::measure;
use http::StatusCode;
use kit_metrics::{GrpcServer, HttpServer, Kind, KindOf, Prometheus, RedLayer, Trace};
use std::{convert::Infallible, future::ready, time::Duration};
use tokio_test::{assert_ready, task};
use tower::{Layer, Service, service_fn};

fn none(result: Result<&u8, &Infallible>) -> Option<Kind> {
    result.is_ok_and(|reply| *reply == 0).then_some(Kind::Unavailable)
}

/// Counts the allocations of a call, once without `layer` and once with it.
fn calls<C: KindOf<u8, Infallible>>(layer: &RedLayer<C>, reply: u8) -> (u64, u64) {
    let inner = |reply: u8| ready(Ok::<_, Infallible>(reply));
    let mut bare = service_fn(inner);
    let mut measured = layer.layer(service_fn(inner));
    // The first call of a kind registers its series.
    assert_ready!(task::spawn(measured.call(reply)).poll()).unwrap();
    let bare = measure(|| {
        for _ in 0..100 {
            assert_ready!(task::spawn(bare.call(reply)).poll()).unwrap();
        }
    });
    let measured = measure(|| {
        for _ in 0..100 {
            assert_ready!(task::spawn(measured.call(reply)).poll()).unwrap();
        }
    });
    (bare.count_total, measured.count_total)
}

#[test]
fn a_measured_call_allocates_nothing() {
    let metrics = Prometheus::new();
    let layer = RedLayer::new(metrics, "call", &[("method", "greet")]).classify(none);
    for reply in [1, 0] {
        let (bare, measured) = calls(&layer, reply);
        assert_eq!(bare, measured);
    }
}

#[test]
fn a_recorded_request_allocates_nothing() {
    let metrics = Prometheus::new();
    let http = HttpServer::new(metrics.clone());
    let grpc = GrpcServer::new(metrics);
    let record = || {
        let call = http.begin("GET", Some("/users/{id}"));
        call.end(Some(StatusCode::OK), None, Duration::from_millis(3));
        let call = http.begin("GET", None);
        call.end(Some(StatusCode::NOT_FOUND), Some(Kind::NotFound), Duration::from_millis(3));
        grpc.begin("greeter.v1.Greeter/Greeting").end(None, Duration::from_millis(3));
    };
    record();
    let known = measure(|| (0..100).for_each(|_| record()));
    assert_eq!(known.count_total, 0);
}

#[test]
fn an_exemplar_allocates_nothing_once_its_series_has_one() {
    let server = HttpServer::new(Prometheus::new());
    let record = || {
        let call = server.begin("GET", Some("/users/{id}")).trace(Trace::new([1; 16], [2; 8]));
        call.end(Some(StatusCode::OK), None, Duration::from_millis(3));
    };
    record();
    let known = measure(|| (0..100).for_each(|_| record()));
    assert_eq!(known.count_total, 0);
}
