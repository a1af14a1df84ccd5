//! What Zipkin is sent, against documents written by its API (zipkin2-api.yaml) and by
//! OpenTelemetry's transformation.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/spans.rs"]
mod spans;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use kit_trace::otel::{Exporter, Zipkin, resource};
use opentelemetry::{
    Array, InstrumentationScope, KeyValue, StringValue, Value as Attribute,
    trace::{Event, SpanId, SpanKind, Status},
};
use opentelemetry_sdk::{Resource, trace::SpanData};
use serde_json::{Value, json};
use spans::span;
use std::{
    convert::Infallible,
    error::Error,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::net::TcpListener;
use tower::service_fn;

const ADDRESS: &str = "http://zipkin:9411/api/v2/spans";

/// What Zipkin gets of these spans.
async fn sent_of(batch: Vec<SpanData>, resource: &Resource) -> Value {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&sent);
    let client = service_fn(move |request: Request<Full<Bytes>>| {
        let told = Arc::clone(&told);
        async move {
            let (head, body) = request.into_parts();
            assert_eq!((head.method.as_str(), head.uri.to_string().as_str()), ("POST", ADDRESS));
            assert_eq!(head.headers["content-type"], "application/json");
            let body = body.collect().await.unwrap().to_bytes();
            told.lock().unwrap().push(body);
            Ok::<_, Infallible>(accepted())
        }
    });
    let mut zipkin = Zipkin::by(ADDRESS, client).unwrap();
    zipkin.export(batch, resource).await.unwrap();
    let sent = std::mem::take(&mut *sent.lock().unwrap());
    assert_eq!(sent.len(), 1);
    serde_json::from_slice(&sent[0]).unwrap()
}

async fn sent(span: SpanData) -> Value {
    let mut sent = sent_of(vec![span], &resource("greeter")).await;
    assert_eq!(sent.as_array().unwrap().len(), 1);
    sent[0].take()
}

fn accepted() -> Response<Full<Bytes>> {
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = StatusCode::ACCEPTED;
    reply
}

fn client() -> SpanData {
    let mut span = span("GET /greeting");
    span.parent_span_id = SpanId::from(0x1234_5678_9012_3456);
    span.span_kind = SpanKind::Client;
    span
}

fn remote(attributes: Vec<KeyValue>) -> SpanData {
    SpanData { attributes, ..client() }
}

#[tokio::test]
async fn a_span_is_written_as_the_api_says() {
    let mut span = client();
    let at = span.start_time + Duration::from_nanos(1_999);
    span.events.events = vec![
        Event::with_name("ready"),
        Event::new("retry", at, vec![KeyValue::new("try", 2), KeyValue::new("of", "five")], 0),
    ];
    span.events.events[0].timestamp = at;
    span.attributes = vec![
        KeyValue::new("server.address", "upstream.example"),
        KeyValue::new("server.port", 9110),
        KeyValue::new("http.response.status_code", 503),
        KeyValue::new("sampled", true),
        KeyValue::new("share", 0.5),
        KeyValue::new(
            "names",
            Attribute::Array(Array::String(vec![StringValue::from("a"), "b\"".into()])),
        ),
    ];
    span.status = Status::error("503 Service Unavailable");
    span.instrumentation_scope =
        InstrumentationScope::builder("kit-trace").with_version("1.2.3").build();
    span.dropped_attributes_count = 1;
    span.events.dropped_count = 2;
    span.links.dropped_count = 3;
    let golden = json!({
        "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
        "parentId": "1234567890123456",
        "id": "00f067aa0ba902b7",
        "kind": "CLIENT",
        "name": "GET /greeting",
        "timestamp": 1_502_787_600_000_123_u64,
        "duration": 150_000,
        "localEndpoint": { "serviceName": "greeter" },
        "remoteEndpoint": { "serviceName": "upstream.example" },
        "annotations": [
            { "timestamp": 1_502_787_600_000_124_u64, "value": "ready" },
            {
                "timestamp": 1_502_787_600_000_124_u64,
                "value": r#""retry": {"of":"five","try":"2"}"#,
            },
        ],
        "tags": {
            "server.address": "upstream.example",
            "server.port": "9110",
            "http.response.status_code": "503",
            "sampled": "true",
            "share": "0.5",
            "names": r#"["a","b\""]"#,
            "error": "503 Service Unavailable",
            "otel.status_code": "ERROR",
            "otel.scope.name": "kit-trace",
            "otel.scope.version": "1.2.3",
            "otel.dropped_attributes_count": "1",
            "otel.dropped_events_count": "2",
            "otel.dropped_links_count": "3",
        },
    });
    assert_eq!(sent(span).await, golden);
}

/// "Fields that can be absent should be omitted."
#[tokio::test]
async fn what_there_is_not_is_left_out() {
    let golden = json!({
        "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
        "id": "00f067aa0ba902b7",
        "name": "step",
        "timestamp": 1_502_787_600_000_123_u64,
        "duration": 150_000,
        "localEndpoint": { "serviceName": "greeter" },
    });
    assert_eq!(sent(span("step")).await, golden);
}

#[tokio::test]
async fn the_kind_is_zipkins() {
    for (kind, said) in [
        (SpanKind::Server, json!("SERVER")),
        (SpanKind::Client, json!("CLIENT")),
        (SpanKind::Producer, json!("PRODUCER")),
        (SpanKind::Consumer, json!("CONSUMER")),
        (SpanKind::Internal, Value::Null),
    ] {
        let remote = KeyValue::new("peer.service", "other");
        let span = SpanData { span_kind: kind.clone(), attributes: vec![remote], ..span("step") };
        let sent = sent(span).await;
        assert_eq!(sent["kind"], said);
        // "If the kind resolves to either CLIENT or PRODUCER."
        let calls = matches!(kind, SpanKind::Client | SpanKind::Producer);
        assert_eq!(sent.get("remoteEndpoint").is_some(), calls, "{kind:?}");
    }
}

#[tokio::test]
async fn the_other_side_is_told_by_the_best_that_is_known() {
    let all = [
        ("db.name", "rows", json!({ "serviceName": "rows" })),
        ("peer.address", "at", json!({ "serviceName": "at" })),
        ("peer.hostname", "host", json!({ "serviceName": "host" })),
        ("net.sock.peer.addr", "10.0.0.4", json!({ "ipv4": "10.0.0.4" })),
        ("net.sock.peer.name", "socket", json!({ "serviceName": "socket" })),
        ("server.socket.address", "10.0.0.3", json!({ "ipv4": "10.0.0.3" })),
        ("server.socket.domain", "domain", json!({ "serviceName": "domain" })),
        ("network.peer.address", "2001:db8::c001", json!({ "ipv6": "2001:db8::c001" })),
        ("net.peer.name", "peer", json!({ "serviceName": "peer" })),
        ("server.address", "server", json!({ "serviceName": "server" })),
        ("peer.service", "service", json!({ "serviceName": "service" })),
    ];
    let mut known = Vec::new();
    for (key, value, endpoint) in all {
        known.push(KeyValue::new(key, value));
        assert_eq!(sent(remote(known.clone())).await["remoteEndpoint"], endpoint, "{key}");
    }
    let at = KeyValue::new("network.peer.address", "192.168.99.100");
    let port = KeyValue::new("network.peer.port", 9110);
    assert_eq!(
        sent(remote(vec![port, at.clone()])).await["remoteEndpoint"],
        json!({ "ipv4": "192.168.99.100", "port": 9110 })
    );
    let socket = KeyValue::new("network.peer.address", "/run/greeter.sock");
    assert!(sent(remote(vec![socket])).await.get("remoteEndpoint").is_none());
}

#[tokio::test]
async fn only_what_failed_has_an_error() {
    let with = |status, attributes| SpanData { status, attributes, ..client() };
    let no = || vec![KeyValue::new("error", false)];
    let sent_tags = |span| async { sent(span).await.get("tags").cloned() };
    assert_eq!(sent_tags(with(Status::Unset, no())).await, None);
    let ok = json!({ "otel.status_code": "OK" });
    assert_eq!(sent_tags(with(Status::Ok, no())).await, Some(ok));
    let failed = json!({ "otel.status_code": "ERROR", "error": "" });
    assert_eq!(sent_tags(with(Status::error(""), no())).await, Some(failed));
}

/// "Durations of less than one are rounded up"; and a clock may go back.
#[tokio::test]
async fn a_duration_is_never_none() {
    for end in [999, 0] {
        let mut span = client();
        span.end_time = span.start_time + Duration::from_nanos(end);
        assert_eq!(sent(span).await["duration"], 1);
    }
    let mut span = client();
    span.end_time = span.start_time - Duration::from_secs(1);
    assert_eq!(sent(span).await["duration"], 1);
}

#[tokio::test]
async fn several_spans_are_a_list_and_a_service_has_a_name() {
    let nameless = Resource::builder_empty().build();
    let sent = sent_of(vec![span("a"), span("b")], &nameless).await;
    let names: Vec<_> = sent.as_array().unwrap().iter().map(|span| &span["name"]).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(sent[0]["localEndpoint"]["serviceName"], "unknown_service");
}

#[tokio::test]
async fn why_zipkin_does_not_take_them_is_said() {
    let answers = |status: u16| {
        let client = service_fn(move |_: Request<Full<Bytes>>| async move {
            let mut reply = Response::new(Full::<Bytes>::default());
            *reply.status_mut() = status.try_into().unwrap();
            Ok::<_, Infallible>(reply)
        });
        Zipkin::by(ADDRESS, client).unwrap()
    };
    let error = answers(400).export(vec![client()], &resource("greeter")).await.unwrap_err();
    assert_eq!(error.to_string(), "the collector answered 400 Bad Request");
    let absent = service_fn(|_: Request<Full<Bytes>>| async {
        Err::<Response<Full<Bytes>>, _>(io::Error::from(io::ErrorKind::ConnectionRefused))
    });
    let mut absent = Zipkin::by(ADDRESS, absent).unwrap();
    let error = absent.export(vec![client()], &resource("greeter")).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot reach the collector");
    assert_eq!(error.source().unwrap().to_string(), "connection refused");
}

/// The client that is compiled in, over a socket.
#[tokio::test]
async fn it_is_posted_over_the_wire() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/api/v2/spans", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (sends, mut sent) = tokio::sync::mpsc::channel(1);
        let service = service_fn(move |request: Request<hyper::body::Incoming>| {
            let sends = sends.clone();
            async move {
                assert_eq!(request.uri(), "/api/v2/spans");
                assert_eq!(request.headers()["content-type"], "application/json");
                let body = request.into_body().collect().await.unwrap().to_bytes();
                sends.send(body).await.unwrap();
                Ok::<_, Infallible>(accepted())
            }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        // A connection is used again.
        tokio::spawn(connection);
        let both = [sent.recv().await.unwrap(), sent.recv().await.unwrap()];
        both.map(|body| serde_json::from_slice::<Value>(&body).unwrap())
    });
    let (mut zipkin, resource) = (Zipkin::new(&address).unwrap(), resource("greeter"));
    for name in ["first", "second"] {
        let sent = zipkin.export(vec![span(name)], &resource);
        tokio::time::timeout(Duration::from_secs(10), sent).await.unwrap().unwrap();
    }
    let sent = tokio::time::timeout(Duration::from_secs(10), server).await.unwrap().unwrap();
    let names = sent.map(|sent| sent[0]["name"].clone());
    assert_eq!(names, ["first", "second"]);
}
