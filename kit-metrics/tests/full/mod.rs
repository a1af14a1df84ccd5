//! A recorder with some of everything that this crate measures.

use http::StatusCode;
use kit_metrics::{
    AnyError, GrpcClient, GrpcServer, HttpClient, HttpServer, Inspect, Inspector, Kind, Prometheus,
    Recorder, RedLayer, Trace,
};
use metrics::{Key, Label, Level, Metadata, Unit};
use std::{convert::Infallible, future::ready, time::Duration};
use tower::{Layer, ServiceExt, service_fn};

const METADATA: Metadata<'static> = Metadata::new("test", Level::INFO, None);

/// The trace of every example.
pub(crate) const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

struct Depth;

impl Inspect for Depth {
    fn inspect(&self, to: &mut dyn Inspector) {
        to.gauge("queue_depth", "How much waits.", &[("queue", "a\\b\"c\nd")], 3.0);
        to.counter("queue_seen_total", "How much there was.", &[], 7);
        to.state("queue_state", "How it is.", &[], "open");
    }
}

pub(crate) async fn recorder() -> Prometheus {
    let metrics = Prometheus::new().buckets("size_bytes", &[1e3, 1e6, 1e9, 0.0]);
    metrics.collect(Depth);
    metrics.describe_counter("jobs".into(), None, "Jobs \\ that\nran, \"all\".".into());
    metrics.describe_histogram("wait".into(), Some(Unit::Seconds), "How long one waits.".into());
    metrics.describe_histogram("size".into(), Some(Unit::Bytes), "How large they are.".into());
    metrics.describe_counter("sent.data".into(), Some(Unit::Bytes), "What was sent.".into());
    let labels = vec![Label::new("queue", "a\\b\"c\nd{},é")];
    metrics.register_counter(&Key::from_parts("jobs", labels), &METADATA).increment(2);
    metrics.register_counter(&Key::from_name("sent.data"), &METADATA).increment(5);
    metrics.register_histogram(&Key::from_name("wait"), &METADATA).record(0.5);
    for name in ["ratio", "level"] {
        metrics.describe_gauge(name.into(), None, "A number that is hard to write.".into());
    }
    metrics.register_gauge(&Key::from_name("ratio"), &METADATA).set(f64::NAN);
    metrics.register_gauge(&Key::from_name("level"), &METADATA).set(f64::NEG_INFINITY);

    let id = u128::from_str_radix(TRACE, 16).expect("hex").to_be_bytes();
    let trace = Trace::new(id, [0, 0, 0, 0, 0, 0, 0, 7]);
    let size = metrics.registry().histogram(&Key::from_name("size"));
    size.record_traced(2e3, trace.expect("an id"));
    size.record(-1.0);

    let red = RedLayer::new(metrics.clone(), "endpoint", &[("endpoint", "greeting")]);
    let inner = service_fn(|(): ()| ready(Ok::<_, Infallible>(())));
    red.classify(AnyError).layer(inner).oneshot(()).await.expect("it cannot fail");

    let took = Duration::from_millis(20);
    let (ok, bad) = (Some(StatusCode::OK), Some(StatusCode::BAD_GATEWAY));
    let server = HttpServer::new(metrics.clone());
    server.begin("GET", Some("/users/{id}")).trace(trace).end(ok, None, took);
    server.begin("GET", None).end(bad, None, took);
    let client = HttpClient::new(metrics.clone(), "users", 80);
    client.begin("GET", Some("/users/{id}")).trace(trace).end(None, Some(Kind::Unavailable), took);
    let server = GrpcServer::new(metrics.clone()).methods(["a.B/C"]);
    server.begin("a.B/C").trace(trace).end(None, took);
    GrpcClient::new(metrics.clone(), "b", 1).begin("a.B/C").end(Some(Kind::Internal), took);
    metrics
}
