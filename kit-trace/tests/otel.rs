//! What OpenTelemetry is told: the ids that are propagated, parents, attributes by the
//! conventions, samplers, and a queue that never waits.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use kit_endpoint::{Fault, Inspect, Inspector, Kind, Request as Asks};
use kit_trace::{
    ClientSpanLayer, ServerSpanLayer, SpanLayer, TraceContext, Trust,
    otel::{BadVariable, Exporter, Pipeline, Sampling, Tracing, resource, resource_from_env},
    span::Sourced,
};
use opentelemetry::trace::{SpanId, SpanKind, Status};
use opentelemetry_sdk::{Resource, trace::SpanData};
use opentelemetry_semantic_conventions::{attribute, trace};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};
use support::{Nothing, get, headers, hop, hop_by};
use tokio::task::JoinHandle;
use tower::{Layer, ServiceExt, service_fn};
use tracing::{dispatcher::DefaultGuard, subscriber::set_default};
use tracing_subscriber::{layer::SubscriberExt, registry};

const PARENT: &str = "00-12345678901234567890123456789012-1234567890123456-01";
const UNSAMPLED: &str = "00-12345678901234567890123456789012-1234567890123456-00";
const LIMIT: Duration = Duration::from_mins(1);

/// A collector in memory.
#[derive(Debug, Clone, Default)]
struct Collector {
    spans: Arc<Mutex<Vec<SpanData>>>,
    batches: Arc<Mutex<Vec<usize>>>,
    how: How,
}

#[derive(Debug, Clone, Copy, Default)]
enum How {
    #[default]
    Takes,
    Refuses,
    Hangs,
}

#[derive(Debug, thiserror::Error)]
#[error("no")]
struct No;

impl Exporter for Collector {
    type Error = No;

    async fn export(&mut self, batch: Vec<SpanData>, _: &Resource) -> Result<(), No> {
        self.batches.lock().unwrap().push(batch.len());
        match self.how {
            How::Takes => {}
            How::Refuses => return Err(No),
            How::Hangs => pending().await,
        }
        self.spans.lock().unwrap().extend(batch);
        Ok(())
    }
}

struct Rig {
    collector: Collector,
    tracing: Tracing,
    _listening: DefaultGuard,
    _exporting: JoinHandle<()>,
}

fn rig(pipeline: impl FnOnce(Pipeline) -> Pipeline) -> Rig {
    rig_to(How::Takes, pipeline)
}

fn rig_to(how: How, pipeline: impl FnOnce(Pipeline) -> Pipeline) -> Rig {
    let collector = Collector { how, ..Collector::default() };
    let (tracing, exporting) =
        pipeline(Pipeline::new(resource("greeter"))).export(collector.clone());
    let exporting = tokio::spawn(exporting.run());
    let listening = set_default(registry().with(tracing.layer()));
    Rig { collector, tracing, _listening: listening, _exporting: exporting }
}

impl Rig {
    async fn spans(&self) -> Vec<SpanData> {
        assert!(self.tracing.flush(LIMIT).await);
        self.collector.spans.lock().unwrap().clone()
    }

    fn counts(&self) -> BTreeMap<String, u64> {
        struct Read(BTreeMap<String, u64>);
        impl Inspector for Read {
            fn counter(&mut self, name: &str, _: &str, labels: &[(&str, &str)], value: u64) {
                let reason = labels.first().map_or("", |(_, reason)| *reason);
                self.0.insert(format!("{name}{reason}"), value);
            }

            fn gauge(&mut self, name: &str, _: &str, _: &[(&str, &str)], value: f64) {
                assert!((0.0..=4096.0).contains(&value));
                self.0.insert(name.to_owned(), format!("{value}").parse().unwrap());
            }
        }
        let mut read = Read(BTreeMap::new());
        self.tracing.inspect(&mut read);
        read.0
    }
}

fn attributes(span: &SpanData) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for it in &span.attributes {
        let before = found.insert(it.key.to_string(), it.value.to_string());
        assert_eq!(before, None, "{} twice", it.key);
    }
    found
}

fn of<'a>(spans: &'a [SpanData], kind: &SpanKind) -> &'a SpanData {
    spans.iter().find(|span| span.span_kind == *kind).expect("a span of the kind")
}

// ===== ids =====

#[tokio::test]
async fn what_is_exported_has_the_ids_that_are_propagated() {
    let rig = rig(|it| it);
    let sent = hop(headers(&[("traceparent", PARENT), ("tracestate", "a=1")]), 1).await;
    let spans = rig.spans().await;
    let (server, client) = (of(&spans, &SpanKind::Server), of(&spans, &SpanKind::Client));
    assert_eq!(server.span_context.trace_id().to_string(), PARENT[3..35]);
    assert_eq!(server.parent_span_id.to_string(), PARENT[36..52]);
    assert!(server.parent_span_is_remote);
    assert_eq!(client.span_context.trace_id(), server.span_context.trace_id());
    assert_eq!(client.parent_span_id, server.span_context.span_id());
    assert!(!client.parent_span_is_remote);
    let sent = sent[0]["traceparent"].to_str().unwrap();
    assert_eq!(sent, format!("{}{}-01", &PARENT[..36], client.span_context.span_id()));
    assert_eq!(server.span_context.trace_state().header(), "a=1");
}

#[tokio::test]
async fn a_trace_that_begins_here_has_no_parent() {
    let rig = rig(|it| it);
    let sent = hop(HeaderMap::new(), 1).await;
    let spans = rig.spans().await;
    let server = of(&spans, &SpanKind::Server);
    assert_eq!(server.parent_span_id, SpanId::INVALID);
    let sent = sent[0]["traceparent"].to_str().unwrap();
    assert_eq!(&sent[3..35], server.span_context.trace_id().to_string());
    assert_eq!(&sent[53..], "03", "sampled, and all of the id is random");
}

#[tokio::test]
async fn a_stranger_has_a_trace_of_its_own_and_a_link() {
    let rig = rig(|it| it);
    let server = ServerSpanLayer::new().trust(Trust::none());
    let context = support::seen(server, get(headers(&[("traceparent", PARENT)]))).await.unwrap();
    let spans = rig.spans().await;
    let server = of(&spans, &SpanKind::Server);
    assert_eq!(server.span_context.trace_id().to_string(), context.trace_id().to_string());
    assert_ne!(server.span_context.trace_id().to_string(), PARENT[3..35]);
    assert_eq!(server.parent_span_id, SpanId::INVALID);
    let link = &server.links.links[0].span_context;
    assert_eq!(link.trace_id().to_string(), PARENT[3..35]);
    assert_eq!(link.span_id().to_string(), PARENT[36..52]);
}

#[tokio::test]
async fn a_state_that_the_sdk_does_not_know_goes_on_all_the_same() {
    let rig = rig(|it| it);
    let came = headers(&[("traceparent", PARENT), ("tracestate", "foo@@bar=1")]);
    assert_eq!(hop(came, 1).await[0]["tracestate"], "foo@@bar=1");
    assert_eq!(rig.spans().await.len(), 2);
}

#[tokio::test]
async fn an_endpoint_is_between_its_server_and_its_client() {
    let rig = rig(|it| it);
    let mut request = Asks::new(());
    let root = TraceContext::root(&kit_trace::Ids::new(), true);
    request.extensions_mut().insert(root.clone());
    let client = ClientSpanLayer::new().layer(service_fn(|_: Request<Nothing>| async {
        Ok::<_, Infallible>(Response::new(Nothing::new()))
    }));
    let asks = service_fn(move |request: Asks<()>| {
        let client = client.clone();
        async move {
            let mut asks = get(HeaderMap::new());
            *asks.extensions_mut() = request.extensions().clone();
            client.oneshot(asks).await.unwrap();
            Ok::<_, kit_endpoint::Expired>(())
        }
    });
    SpanLayer::new("greeting").layer(asks).oneshot(request).await.unwrap();
    let spans = rig.spans().await;
    let (inner, client) = (of(&spans, &SpanKind::Internal), of(&spans, &SpanKind::Client));
    assert_eq!(inner.parent_span_id.to_string(), root.span_id().to_string());
    assert_eq!(client.parent_span_id, inner.span_context.span_id());
    assert_eq!(inner.name, "greeting");
}

#[tokio::test]
async fn without_a_context_the_parent_is_the_span_that_is_open() {
    let rig = rig(|it| it);
    let client = ClientSpanLayer::new().layer(service_fn(|_: Request<Nothing>| async {
        Ok::<_, Infallible>(Response::new(Nothing::new()))
    }));
    let outer = tracing::info_span!("mine");
    {
        let _entered = outer.enter();
        // In one poll.
        let _ = futures_now(client.oneshot(get(HeaderMap::new())));
    }
    drop(outer);
    let spans = rig.spans().await;
    let mine = spans.iter().find(|span| span.name == "mine").unwrap();
    assert_eq!(of(&spans, &SpanKind::Client).parent_span_id, mine.span_context.span_id());
}

fn futures_now<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

// ===== attributes =====

/// The conventions' requirement levels for a server: required, and where there is one
/// or it failed.
#[tokio::test]
async fn attributes_are_the_conventions() {
    let rig = rig(|it| it);
    let answers = service_fn(|request: Request<Nothing>| async move {
        kit_trace::span::route(request.method(), "/greeting");
        let mut reply = Response::new(Full::new(Bytes::from("no")));
        *reply.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        Ok::<_, Infallible>(reply)
    });
    let stack =
        ClientSpanLayer::new().layer(ServerSpanLayer::new().user_agent(true).layer(answers));
    let mut request = get(headers(&[("user-agent", "test")]));
    *request.uri_mut() = "http://there:81/greeting?name=Ada".parse().unwrap();
    request
        .extensions_mut()
        .insert(kit_endpoint::Peer::from(std::net::SocketAddr::from(([127, 0, 0, 1], 5))));
    stack.oneshot(request).await.unwrap().into_body().collect().await.unwrap();
    let spans = rig.spans().await;
    let server = of(&spans, &SpanKind::Server);
    assert_eq!(server.name, "GET /greeting");
    assert_eq!(server.status, Status::error(""));
    let found = attributes(server);
    for (name, value) in [
        (trace::HTTP_REQUEST_METHOD, "GET"),
        (trace::URL_PATH, "/greeting"),
        (trace::URL_SCHEME, "http"),
        (trace::URL_QUERY, "name=Ada"),
        (trace::HTTP_ROUTE, "/greeting"),
        (trace::HTTP_RESPONSE_STATUS_CODE, "503"),
        (trace::ERROR_TYPE, "503"),
        (trace::NETWORK_PROTOCOL_VERSION, "1.1"),
        (trace::NETWORK_PEER_ADDRESS, "127.0.0.1"),
        (trace::NETWORK_PEER_PORT, "5"),
        (trace::SERVER_ADDRESS, "there"),
        (trace::SERVER_PORT, "81"),
        (trace::CLIENT_ADDRESS, "127.0.0.1"),
        (trace::USER_AGENT_ORIGINAL, "test"),
    ] {
        assert_eq!(found.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert_eq!(found.len(), 14, "and no other: {found:?}");
    let status =
        server.attributes.iter().find(|it| it.key.as_str() == trace::HTTP_RESPONSE_STATUS_CODE);
    assert_eq!(status.unwrap().value, 503.into(), "a number");
    let client = of(&spans, &SpanKind::Client);
    assert_eq!(client.name, "GET");
    let found = attributes(client);
    for (name, value) in [
        (trace::HTTP_REQUEST_METHOD, "GET"),
        (trace::SERVER_ADDRESS, "there"),
        (trace::SERVER_PORT, "81"),
        (trace::URL_FULL, "http://there:81/greeting?name=Ada"),
        (trace::HTTP_RESPONSE_STATUS_CODE, "503"),
        (trace::ERROR_TYPE, "503"),
    ] {
        assert_eq!(found.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert_eq!(found.len(), 6, "and no other: {found:?}");
}

#[tokio::test]
async fn so_are_those_of_grpc() {
    let rig = rig(|it| it);
    let answers = service_fn(|_: Request<Nothing>| async {
        let mut reply = Response::new(Nothing::new());
        *reply.headers_mut() = headers(&[("grpc-status", "14")]);
        Ok::<_, Infallible>(reply)
    });
    let stack = ClientSpanLayer::new().layer(ServerSpanLayer::new().layer(answers));
    let mut request = get(headers(&[("content-type", "application/grpc+proto")]));
    *request.uri_mut() = "http://there:9120/greeter.v1.Greeter/Greeting".parse().unwrap();
    stack.oneshot(request).await.unwrap();
    for span in rig.spans().await {
        assert_eq!(span.name, "greeter.v1.Greeter/Greeting");
        assert_eq!(span.status, Status::error(""));
        let found = attributes(&span);
        for (name, value) in [
            (attribute::RPC_SYSTEM_NAME, "grpc"),
            (attribute::RPC_METHOD, "greeter.v1.Greeter/Greeting"),
            (attribute::RPC_RESPONSE_STATUS_CODE, "UNAVAILABLE"),
            (attribute::ERROR_TYPE, "UNAVAILABLE"),
            (attribute::SERVER_ADDRESS, "there"),
            (attribute::SERVER_PORT, "9120"),
        ] {
            assert_eq!(found.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert_eq!(found.len(), 6, "and no other: {found:?}");
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the disk is full")]
struct DiskFull(#[source] std::io::Error);

impl Fault for DiskFull {
    fn kind(&self) -> Kind {
        Kind::Internal
    }
}

#[tokio::test]
async fn an_error_is_an_event_with_its_causes() {
    let rig = rig(|it| it);
    let full = || DiskFull(std::io::Error::other("no space left"));
    let fails = service_fn(move |_: Asks<()>| async move { Err::<(), _>(full()) });
    // Fields of one's own have no place for the status: it is exported all the same.
    let make = |_: &Asks<()>| tracing::info_span!("mine", otel.kind = "internal");
    SpanLayer::by(make).layer(fails).oneshot(Asks::new(())).await.unwrap_err();
    let fails =
        service_fn(move |_: Request<Nothing>| async move { Err::<Response<Nothing>, _>(full()) });
    let call = ClientSpanLayer::new().errors(Sourced).layer(fails).oneshot(get(HeaderMap::new()));
    call.await.unwrap_err();
    for span in rig.spans().await {
        assert_eq!(span.status, Status::error("the disk is full: no space left"));
        assert!(attributes(&span).contains_key(trace::ERROR_TYPE));
        let event = &span.events.events[0];
        assert_eq!((event.name.as_ref(), span.events.len()), ("exception", 1));
        let said = event.attributes.iter().find(|it| it.key.as_str() == trace::EXCEPTION_MESSAGE);
        assert_eq!(said.unwrap().value.as_str(), "the disk is full: no space left");
        assert!(event.attributes.iter().any(|it| it.key.as_str() == trace::EXCEPTION_TYPE));
    }
}

// ===== sampling =====

#[tokio::test]
async fn a_caller_decides_what_is_sampled() {
    for (came, sampled) in [(PARENT, true), (UNSAMPLED, false)] {
        let rig =
            rig(|it| it.sampling(if sampled { Sampling::never() } else { Sampling::always() }));
        let sent = hop(headers(&[("traceparent", came)]), 1).await;
        assert_eq!(sent[0]["traceparent"].to_str().unwrap()[53..], came[53..]);
        assert_ne!(sent[0]["traceparent"].to_str().unwrap()[36..52], came[36..52]);
        assert_eq!(rig.spans().await.len(), if sampled { 2 } else { 0 });
    }
    let rig = rig(|it| it.sampling(Sampling::never().whatever_the_parent()));
    let sent = hop(headers(&[("traceparent", PARENT)]), 1).await;
    assert_eq!(sent[0]["traceparent"].to_str().unwrap()[53..], *"00");
    assert_eq!(rig.spans().await.len(), 0);
}

#[tokio::test]
async fn a_ratio_is_of_the_id() {
    let rig = rig(|it| it.sampling(Sampling::ratio(0.25).whatever_the_parent()));
    for (low, sampled) in [
        ("0000000000000000", true),
        ("3fffffffffffffff", true),
        ("4000000000000000", false),
        ("ffffffffffffffff", false),
    ] {
        let came = format!("00-1234567890123456{low}-1234567890123456-02");
        let sent = hop(headers(&[("traceparent", &came)]), 1).await;
        let flags = if sampled { "03" } else { "02" };
        assert_eq!(&sent[0]["traceparent"].to_str().unwrap()[53..], flags, "{low}");
    }
    assert_eq!(rig.spans().await.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_of_traces_in_a_second() {
    let rig = rig(|it| it.sampling(Sampling::per_second(3)));
    for (calls, sampled) in [(5, 3), (1, 0)] {
        assert_eq!(begun(calls).await, sampled);
    }
    tokio::time::advance(Duration::from_millis(334)).await;
    assert_eq!(begun(3).await, 1);
    tokio::time::advance(Duration::from_mins(1)).await;
    assert_eq!(begun(5).await, 3, "what was not used is not kept");
    // It is not asked about those that are decided.
    let sent = hop(headers(&[("traceparent", PARENT)]), 1).await;
    assert_eq!(sent[0]["traceparent"].to_str().unwrap()[53..], *"01");
    drop(rig);
}

async fn begun(calls: usize) -> usize {
    let mut sampled = 0;
    for _ in 0..calls {
        let sent = hop(HeaderMap::new(), 1).await;
        sampled += usize::from(sent[0]["traceparent"].to_str().unwrap().ends_with("-03"));
    }
    sampled
}

#[tokio::test(start_paused = true)]
async fn a_layer_decides_first_and_once() {
    let sampling = Sampling::per_second(3);
    let rig = rig(|it| it.sampling(sampling.clone()));
    let server = || ServerSpanLayer::new().sampling(sampling.clone());
    let mut told = Vec::new();
    for _ in 0..5 {
        let sent = hop_by(server(), ClientSpanLayer::new(), HeaderMap::new(), 1).await;
        told.push(sent[0]["traceparent"].to_str().unwrap().to_owned());
    }
    let flags: Vec<_> = told.iter().map(|told| &told[53..]).collect();
    assert_eq!(flags, ["03", "03", "03", "02", "02"]);
    let spans = rig.spans().await;
    assert_eq!(spans.len(), 6);
    for (pair, told) in spans.chunks(2).zip(&told) {
        let (server, client) = (of(pair, &SpanKind::Server), of(pair, &SpanKind::Client));
        assert_eq!(server.span_context.trace_id().to_string(), told[3..35]);
        assert_eq!(client.span_context.span_id().to_string(), told[36..52]);
        assert_eq!(client.parent_span_id, server.span_context.span_id());
        assert_eq!(server.parent_span_id, SpanId::INVALID);
    }
}

#[tokio::test]
async fn a_layer_decides_by_the_id_that_the_trace_has() {
    let sampling = Sampling::ratio(0.5);
    let rig = rig(|it| it.sampling(sampling.clone()));
    let mut sampled = 0;
    for _ in 0..64 {
        let server = ServerSpanLayer::new().sampling(sampling.clone());
        let sent = hop_by(server, ClientSpanLayer::new(), HeaderMap::new(), 1).await;
        let told = sent[0]["traceparent"].to_str().unwrap();
        let is_low = u8::from_str_radix(&told[19..20], 16).unwrap() < 8;
        assert_eq!(&told[53..], if is_low { "03" } else { "02" }, "{told}");
        sampled += usize::from(is_low);
    }
    assert_eq!(rig.spans().await.len(), 2 * sampled);
    // Of 64 at a half: in none of 10^9 runs.
    assert!((8..=56).contains(&sampled), "{sampled}");
}

#[tokio::test]
async fn amid_what_is_left_out_no_trace_begins() {
    let rig = rig(|it| it);
    let handles = service_fn(|_: Request<Nothing>| async {
        tracing::info_span!("theirs").in_scope(|| tracing::info!("said"));
        Ok::<_, Infallible>(Response::new(Nothing::new()))
    });
    let left_out = ServerSpanLayer::new().sampling(Sampling::never());
    left_out.layer(handles).oneshot(get(HeaderMap::new())).await.unwrap();
    assert!(rig.spans().await.is_empty());
    tracing::info_span!("theirs").in_scope(|| ());
    assert_eq!(rig.spans().await.len(), 1, "outside of it one does");
}

#[test]
fn a_share_is_the_sdks() {
    use opentelemetry_sdk::trace::{Sampler, SamplingDecision, ShouldSample};

    let ids = kit_trace::Ids::seeded(7);
    for share in [-1.0, 0.0, f64::MIN_POSITIVE, 0.01, 0.5, 0.999, 1.0, 2.0, f64::NAN] {
        let sdk = Sampler::TraceIdRatioBased(share);
        for _ in 0..1000 {
            let id = ids.trace_id();
            let theirs = opentelemetry::trace::TraceId::from_bytes(id.to_bytes());
            let said = sdk.should_sample(None, theirs, "", &SpanKind::Server, &[], &[]);
            let said = said.decision == SamplingDecision::RecordAndSample;
            assert_eq!(Sampling::ratio(share).samples(None, id), said, "{share} of {id}");
        }
    }
}

#[test]
fn samplers_are_read_where_it_is_asked() {
    let read = |name: &'static str, arg: Option<&'static str>| {
        let get = move |variable: &str| match variable {
            "OTEL_TRACES_SAMPLER" => Some(name.to_owned()),
            "OTEL_TRACES_SAMPLER_ARG" => arg.map(str::to_owned),
            other => panic!("{other}"),
        };
        Sampling::from_env(get)
    };
    for name in ["", "always_on", "parentbased_always_off", "traceidratio"] {
        read(name, Some("0.5")).unwrap();
    }
    let said = |result: Result<Sampling, BadVariable>| result.unwrap_err().to_string();
    assert_eq!(
        said(read("traceidratio", Some("2"))),
        r#"OTEL_TRACES_SAMPLER_ARG cannot be "2": give 0 to 1"#
    );
    assert!(said(read("jaeger_remote", None)).starts_with("OTEL_TRACES_SAMPLER cannot be"));
}

#[test]
fn so_are_resources() {
    let get = |attributes: &'static str, name: Option<&'static str>| {
        resource_from_env("greeter", move |variable| match variable {
            "OTEL_RESOURCE_ATTRIBUTES" => Some(attributes.to_owned()),
            "OTEL_SERVICE_NAME" => name.map(str::to_owned),
            other => panic!("{other}"),
        })
    };
    let value =
        |resource: &Resource, key: &'static str| resource.get(&key.into()).map(|it| it.to_string());
    let plain = get("", None).unwrap();
    assert_eq!(value(&plain, "service.name").as_deref(), Some("greeter"));
    assert_eq!(plain.len(), 1);
    let said = get("service.name=other, deployment.environment.name=test", None).unwrap();
    assert_eq!(value(&said, "service.name").as_deref(), Some("other"));
    assert_eq!(value(&said, "deployment.environment.name").as_deref(), Some("test"));
    let said = get("service.name=other", Some("mine")).unwrap();
    assert_eq!(value(&said, "service.name").as_deref(), Some("mine"));
    assert!(get("nonsense", None).is_err());
}

// ===== the queue =====

#[tokio::test(start_paused = true)]
async fn batches_are_sent_when_they_are_full_or_old() {
    let rig = rig(|it| it.batch(2).delay(Duration::from_secs(5)));
    for _ in 0..3 {
        tracing::info_span!("mine").in_scope(|| ());
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(*rig.collector.batches.lock().unwrap(), [2]);
    assert_eq!(rig.counts()["trace_spans_waiting"], 1);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(*rig.collector.batches.lock().unwrap(), [2, 1]);
    assert_eq!(rig.counts()["trace_spans_exported_total"], 3);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_dropped_and_counted() {
    let rig = rig_to(How::Hangs, |it| it.queue(3).batch(2).timeout(Duration::from_secs(10)));
    for _ in 0..2 {
        tracing::info_span!("mine").in_scope(|| ());
    }
    // The collector has two, and hangs; three wait, and there is no room for more.
    tokio::time::sleep(Duration::from_secs(1)).await;
    for _ in 0..5 {
        tracing::info_span!("mine").in_scope(|| ());
    }
    let counts = rig.counts();
    assert_eq!(counts["trace_spans_dropped_totalqueue_full"], 2);
    assert_eq!(counts["trace_spans_waiting"], 5);
    let begun = tokio::time::Instant::now();
    assert!(!rig.tracing.flush(Duration::from_secs(3)).await, "it hangs, and we do not");
    assert_eq!(begun.elapsed(), Duration::from_secs(3));
    tokio::time::sleep(Duration::from_mins(1)).await;
    let counts = rig.counts();
    assert_eq!(counts["trace_spans_dropped_totalexport_failed"], 5);
    assert_eq!(counts["trace_spans_waiting"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_refuses_costs_spans() {
    let rig = rig_to(How::Refuses, |it| it);
    tracing::info_span!("mine").in_scope(|| ());
    assert!(rig.tracing.flush(LIMIT).await);
    let counts = rig.counts();
    assert_eq!(counts["trace_spans_dropped_totalexport_failed"], 1);
    assert_eq!(counts["trace_spans_exported_total"], 0);
}

#[tokio::test]
async fn a_flush_sends_all_that_ended() {
    let rig = rig(|it| it.batch(2).queue(10));
    for _ in 0..5 {
        tracing::info_span!("mine").in_scope(|| ());
    }
    assert_eq!(rig.spans().await.len(), 5);
}

#[tokio::test]
async fn when_all_is_gone_the_exporter_ends() {
    let (tracing, exporting) = Pipeline::new(resource("greeter")).export(Collector::default());
    let layer = tracing.layer::<tracing_subscriber::Registry>();
    let running = tokio::spawn(exporting.run());
    drop((tracing, layer));
    running.await.unwrap();
}
