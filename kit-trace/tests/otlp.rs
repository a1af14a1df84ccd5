//! What a collector of OTLP is sent, and how often: over gRPC through pipes in memory,
//! over HTTP by a service in its place, on a paused clock.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/spans.rs"]
mod spans;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use kit_endpoint::{Inspect, Inspector};
use kit_trace::otel::{Exporter, Otlp, OtlpError, Pipeline, Tracing, resource};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
    trace_service_server::{TraceService, TraceServiceServer},
};
use opentelemetry_sdk::trace::SpanData;
use prost::Message;
use spans::span;
use std::{
    collections::{BTreeMap, VecDeque},
    future::pending,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, DuplexStream, duplex},
    time::{Instant, sleep},
};
use tonic::{
    Code, Status,
    transport::{Endpoint, Server},
};
use tonic_types::{ErrorDetails, StatusExt};
use tower::service_fn;
use tracing::{Level, dispatcher::DefaultGuard, subscriber::set_default};
use tracing_subscriber::{Layer, filter::Targets, layer::SubscriberExt, registry};

const SECOND: Duration = Duration::from_secs(1);

/// What a collector does with a batch; when nothing is left to do, it takes it.
#[derive(Debug, Clone)]
enum Does {
    Takes(ExportTracePartialSuccess),
    Fails(Status),
    Says(u16, &'static [(&'static str, &'static str)]),
    Hangs,
    /// No connection.
    IsAbsent,
    /// There is one, which breaks off when something comes.
    BreaksOff,
}

#[derive(Debug, Clone)]
struct Sent {
    at: Instant,
    headers: HeaderMap,
    batch: ExportTraceServiceRequest,
}

/// A collector, and what it was sent.
#[derive(Debug, Clone, Default)]
struct Collector(Arc<Mutex<(VecDeque<Does>, Vec<Sent>)>>);

impl Collector {
    fn new(does: impl IntoIterator<Item = Does>) -> Self {
        Self(Arc::new(Mutex::new((does.into_iter().collect(), Vec::new()))))
    }

    fn comes(&self, headers: HeaderMap, batch: ExportTraceServiceRequest) -> Option<Does> {
        let (does, sent) = &mut *self.0.lock().unwrap();
        sent.push(Sent { at: Instant::now(), headers, batch });
        does.pop_front()
    }

    /// What becomes of a connection, if not all is well.
    fn connects(&self) -> Option<Does> {
        let (does, _) = &mut *self.0.lock().unwrap();
        does.pop_front_if(|does| matches!(does, Does::IsAbsent | Does::BreaksOff))
    }

    fn sent(&self) -> Vec<Sent> {
        self.0.lock().unwrap().1.clone()
    }

    /// The times between what it was sent.
    fn pauses(&self) -> Vec<Duration> {
        self.sent().windows(2).map(|pair| pair[1].at - pair[0].at).collect()
    }

    fn http(&self) -> Otlp {
        let collector = self.clone();
        let client = service_fn(move |request| collector.clone().replies(request));
        Otlp::http_by("http://collector:4318", client).unwrap().seed(7)
    }

    async fn replies(self, request: Request<Full<Bytes>>) -> io::Result<Response<Full<Bytes>>> {
        let (head, body) = request.into_parts();
        assert_eq!(head.method, "POST");
        assert_eq!(head.uri, "http://collector:4318/v1/traces");
        if self.connects().is_some() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let batch = body.collect().await.unwrap().to_bytes();
        let batch = ExportTraceServiceRequest::decode(batch).unwrap();
        let partial_success = match self.comes(head.headers, batch) {
            None => None,
            Some(Does::Takes(partial)) => Some(partial),
            Some(Does::Says(status, headers)) => {
                let mut reply = Response::new(Full::default());
                *reply.status_mut() = status.try_into().unwrap();
                for (name, value) in headers {
                    reply.headers_mut().insert(*name, HeaderValue::from_static(value));
                }
                return Ok(reply);
            }
            Some(Does::Hangs) => pending().await,
            Some(other) => panic!("{other:?} over HTTP"),
        };
        let answer = ExportTraceServiceResponse { partial_success };
        Ok(Response::new(Full::new(answer.encode_to_vec().into())))
    }

    /// Over connections in memory, each with a server of its own.
    fn grpc(&self) -> Otlp {
        let collector = self.clone();
        let connector = service_fn(move |_| {
            let (ours, theirs) = duplex(1 << 20);
            let connected = match collector.connects() {
                Some(Does::IsAbsent) => Err(io::Error::from(io::ErrorKind::ConnectionRefused)),
                Some(_) => {
                    tokio::spawn(breaks_off(theirs));
                    Ok(TokioIo::new(ours))
                }
                None => {
                    let service = TraceServiceServer::new(collector.clone());
                    let served = Server::builder()
                        .add_service(service)
                        .serve_with_incoming(tokio_stream::once(Ok::<_, io::Error>(theirs)));
                    tokio::spawn(served);
                    Ok(TokioIo::new(ours))
                }
            };
            async move { connected }
        });
        let endpoint = Endpoint::from_static("http://collector:4317");
        Otlp::grpc_by(endpoint.connect_with_connector_lazy(connector)).seed(7)
    }

    /// By both ways: each is another collector, of which `does` says what it does.
    fn both(does: &[Does]) -> [(Self, Otlp); 2] {
        let [http, grpc] = [Self::new(does.to_vec()), Self::new(does.to_vec())];
        [(http.clone(), http.http()), (grpc.clone(), grpc.grpc())]
    }
}

async fn breaks_off(mut stream: DuplexStream) {
    let mut some = [0; 1 << 10];
    // What a client says first, and then the call.
    for _ in 0..2 {
        let _ = stream.read(&mut some).await;
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, Status> {
        let (metadata, _, batch) = request.into_parts();
        let partial_success = match self.comes(metadata.into_headers(), batch) {
            None => None,
            Some(Does::Takes(partial)) => Some(partial),
            Some(Does::Fails(status)) => return Err(status),
            Some(Does::Hangs) => pending().await,
            Some(other) => panic!("{other:?} over gRPC"),
        };
        Ok(tonic::Response::new(ExportTraceServiceResponse { partial_success }))
    }
}

async fn export(otlp: &mut Otlp) -> Result<(), OtlpError> {
    otlp.export(vec![span("greet")], &resource("greeter")).await
}

fn partly(rejected_spans: i64) -> ExportTracePartialSuccess {
    ExportTracePartialSuccess { rejected_spans, error_message: "too old".to_owned() }
}

fn unavailable() -> Does {
    Does::Fails(Status::unavailable("soon"))
}

fn asks(code: Code, wait: Duration) -> Does {
    let details = ErrorDetails::with_retry_info(Some(wait));
    Does::Fails(Status::with_error_details(code, "not now", details))
}

// ===== which =====

/// By the specification's table, of all codes.
#[tokio::test(start_paused = true)]
async fn over_grpc_what_may_pass_is_tried_again() {
    for code in 1..=16 {
        let code = Code::from(code);
        let again = matches!(
            code,
            Code::Cancelled
                | Code::DeadlineExceeded
                | Code::Aborted
                | Code::OutOfRange
                | Code::Unavailable
                | Code::DataLoss
        );
        let collector = Collector::new([Does::Fails(Status::new(code, "no"))]);
        let result = export(&mut collector.grpc()).await;
        assert_eq!(result.is_ok(), again, "{code:?}: {result:?}");
        assert_eq!(collector.sent().len(), 1 + usize::from(again), "{code:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn over_http_what_may_pass_is_tried_again() {
    for status in [400, 401, 403, 404, 408, 413, 429, 500, 501, 502, 503, 504, 505] {
        let again = matches!(status, 429 | 502..=504);
        let collector = Collector::new([Does::Says(status, &[])]);
        let result = export(&mut collector.http()).await;
        assert_eq!(result.is_ok(), again, "{status}: {result:?}");
        assert_eq!(collector.sent().len(), 1 + usize::from(again), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_exhausted_is_asked_again_only_if_it_says_when() {
    let exhausted = |does| async {
        let collector = Collector::new([does]);
        (export(&mut collector.grpc()).await.is_ok(), collector.pauses())
    };
    let (taken, pauses) = exhausted(asks(Code::ResourceExhausted, 4 * SECOND)).await;
    assert!(taken && pauses == [4 * SECOND], "{pauses:?}");
    let (taken, pauses) = exhausted(Does::Fails(Status::resource_exhausted("full"))).await;
    assert!(!taken && pauses.is_empty(), "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_none_or_breaks_off_is_tried_again() {
    for does in [[Does::IsAbsent, Does::IsAbsent], [Does::BreaksOff, Does::IsAbsent]] {
        for (collector, mut otlp) in Collector::both(&does) {
            let begun = Instant::now();
            export(&mut otlp).await.unwrap();
            assert_eq!(collector.sent().len(), 1, "{does:?}");
            assert!(begun.elapsed() >= 2 * SECOND, "{does:?}: {:?}", begun.elapsed());
        }
    }
}

// ===== when =====

#[tokio::test(start_paused = true)]
async fn pauses_grow_by_half_and_are_spread_and_it_ends_after_five_tries() {
    let mut all = Vec::new();
    for seed in 0..50 {
        let collector = Collector::new(vec![Does::Says(503, &[]); 9]);
        // In as much time as it takes.
        let otlp = collector.http().timeout(60 * SECOND).seed(seed);
        let said = export(&mut otlp.clone()).await.unwrap_err().to_string();
        assert_eq!(said, "the collector answered 503 Service Unavailable");
        all.push(collector.pauses());
        if seed == 7 {
            let again = Collector::new(vec![Does::Says(503, &[]); 9]);
            export(&mut again.http().timeout(60 * SECOND)).await.unwrap_err();
            assert_eq!(again.pauses(), collector.pauses(), "of the same seed");
        }
    }
    for (at, middle) in [1.0, 1.5, 2.25, 3.375].into_iter().enumerate() {
        let pauses: Vec<_> = all.iter().map(|pauses| pauses[at].as_secs_f64()).collect();
        let shortest = pauses.iter().copied().fold(f64::MAX, f64::min) / middle;
        let longest = pauses.iter().copied().fold(0.0, f64::max) / middle;
        // The clock ticks in milliseconds.
        assert!((0.8..0.85).contains(&shortest), "{shortest} of {middle}");
        assert!((1.15..1.202).contains(&longest), "{longest} of {middle}");
    }
    assert!(all.iter().all(|pauses| pauses.len() == 4), "five tries");
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_never_longer_than_five_seconds_unless_it_is_asked_for() {
    let collector = Collector::new(vec![Does::Says(503, &[]); 19]);
    let mut otlp = collector.http().timeout(600 * SECOND).tries(20);
    export(&mut otlp).await.unwrap();
    let pauses = collector.pauses();
    assert_eq!(pauses.len(), 19);
    assert!(
        pauses[8..].iter().all(|pause| (4 * SECOND..=6 * SECOND + SECOND / 100).contains(pause))
    );
}

#[tokio::test(start_paused = true)]
async fn one_try_is_one() {
    for tries in [0, 1] {
        let collector = Collector::new([Does::Says(503, &[])]);
        export(&mut collector.http().tries(tries)).await.unwrap_err();
        assert_eq!(collector.sent().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn it_does_not_come_sooner_than_it_is_asked_to() {
    let dated = &[
        ("date", "Sun, 06 Nov 1994 08:49:30 GMT"),
        ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ];
    for (says, waited) in [
        (&[("retry-after", "3")][..], 3 * SECOND),
        (&[("retry-after", " 8 ")], 8 * SECOND),
        (dated, 7 * SECOND),
    ] {
        let collector = Collector::new([Does::Says(429, says)]);
        export(&mut collector.http()).await.unwrap();
        assert_eq!(collector.pauses(), [waited], "{says:?}");
    }
    let collector = Collector::new([asks(Code::Unavailable, 6 * SECOND)]);
    export(&mut collector.grpc()).await.unwrap();
    assert_eq!(collector.pauses(), [6 * SECOND]);
    // What it asks for is no reason to come sooner than usual, nor is what says nothing.
    for says in [&[("retry-after", "0")][..], &[("retry-after", "soon")]] {
        let collector = Collector::new([Does::Says(503, says)]);
        export(&mut collector.http()).await.unwrap();
        assert!(collector.pauses()[0] >= SECOND * 4 / 5, "{says:?}: {:?}", collector.pauses());
    }
}

#[tokio::test(start_paused = true)]
async fn what_would_come_too_late_is_not_waited_for() {
    let collector = Collector::new([Does::Says(503, &[("retry-after", "10")])]);
    let begun = Instant::now();
    export(&mut collector.http()).await.unwrap_err();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    let never = &[("retry-after", "99999999999999999999999")];
    let collector = Collector::new([Does::Says(503, never)]);
    export(&mut collector.http()).await.unwrap_err();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    let collector = Collector::new([asks(Code::Unavailable, 11 * SECOND)]);
    export(&mut collector.grpc()).await.unwrap_err();
    assert_eq!(collector.sent().len(), 1);
}

/// All tries together have the time of a batch.
#[tokio::test(start_paused = true)]
async fn a_batch_has_ten_seconds() {
    for (_, mut otlp) in Collector::both(&[Does::Hangs]) {
        let begun = Instant::now();
        let said = export(&mut otlp).await.unwrap_err().to_string();
        assert_eq!(said, "the collector did not answer in time");
        assert_eq!(begun.elapsed().as_secs(), 10);
    }
    let collector = Collector::new([Does::Says(503, &[]), Does::Hangs]);
    let begun = Instant::now();
    export(&mut collector.http().timeout(4 * SECOND)).await.unwrap_err();
    assert_eq!(begun.elapsed().as_secs(), 4);
    assert_eq!(collector.sent().len(), 2);
}

// ===== what =====

#[tokio::test(start_paused = true)]
async fn each_try_has_the_same_batch_and_headers() {
    let key = (HeaderName::from_static("api-key"), HeaderValue::from_static("secret"));
    let http = Collector::new([Does::Says(503, &[]), Does::Says(429, &[])]);
    let grpc = Collector::new([unavailable(), unavailable()]);
    for (collector, otlp) in [(&http, http.http()), (&grpc, grpc.grpc())] {
        export(&mut otlp.header(key.0.clone(), key.1.clone())).await.unwrap();
        let sent = collector.sent();
        assert_eq!(sent.len(), 3);
        for try_ in &sent {
            assert_eq!(try_.headers["api-key"], "secret");
            let spans = &try_.batch.resource_spans[0];
            assert_eq!(spans.resource.as_ref().unwrap().attributes[0].key, "service.name");
            let span = &spans.scope_spans[0].spans[0];
            assert_eq!(span.name, "greet");
            assert_eq!(span.span_id, [0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]);
            assert_eq!(try_.batch, sent[0].batch);
        }
    }
    assert_eq!(http.sent()[0].headers["content-type"], "application/x-protobuf");
}

// ===== what is counted =====

struct Rig {
    tracing: Tracing,
    _listening: DefaultGuard,
}

/// Sends what is recorded by `otlp`.
fn rig(otlp: impl Exporter, pipeline: impl FnOnce(Pipeline) -> Pipeline) -> Rig {
    let (tracing, exporting) = pipeline(Pipeline::new(resource("greeter"))).export(otlp);
    tokio::spawn(exporting.run());
    // Not the connection's own.
    let only = Targets::new().with_target(module_path!(), Level::INFO);
    let listening = set_default(registry().with(tracing.layer().with_filter(only)));
    Rig { tracing, _listening: listening }
}

fn ends(count: usize) {
    for _ in 0..count {
        tracing::info_span!("mine").in_scope(|| ());
    }
}

impl Rig {
    /// Exported, and dropped by why.
    fn counts(&self) -> BTreeMap<String, u64> {
        struct Read(BTreeMap<String, u64>);
        impl Inspector for Read {
            fn counter(&mut self, name: &str, _: &str, labels: &[(&str, &str)], value: u64) {
                let name = labels.first().map_or(name, |(_, reason)| *reason);
                self.0.insert(name.to_owned(), value);
            }

            fn gauge(&mut self, name: &str, _: &str, _: &[(&str, &str)], value: f64) {
                self.0.insert(name.to_owned(), format!("{value}").parse().unwrap());
            }
        }
        let mut read = Read(BTreeMap::new());
        self.tracing.inspect(&mut read);
        read.0.retain(|_, value| *value > 0);
        read.0
    }
}

fn counts<const N: usize>(counts: [(&str, u64); N]) -> BTreeMap<String, u64> {
    counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

const EXPORTED: &str = "trace_spans_exported_total";
const WAITING: &str = "trace_spans_waiting";

/// And not sent again: the specification forbids it.
#[tokio::test(start_paused = true)]
async fn spans_that_are_refused_of_a_batch_are_counted() {
    for (collector, otlp) in Collector::both(&[Does::Takes(partly(2))]) {
        let rig = rig(otlp, |it| it);
        ends(5);
        assert!(rig.tracing.flush(SECOND).await);
        assert_eq!(rig.counts(), counts([(EXPORTED, 3), ("rejected", 2)]));
        ends(1);
        assert!(rig.tracing.flush(SECOND).await);
        assert_eq!(rig.counts(), counts([(EXPORTED, 4), ("rejected", 2)]));
        assert_eq!(collector.sent().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_says_what_cannot_be_is_not_believed() {
    for (rejected, taken) in [(0, counts([(EXPORTED, 2)])), (-1, counts([(EXPORTED, 2)]))] {
        for (_, otlp) in Collector::both(&[Does::Takes(partly(rejected))]) {
            let rig = rig(otlp, |it| it);
            ends(2);
            assert!(rig.tracing.flush(SECOND).await);
            assert_eq!(rig.counts(), taken);
        }
    }
    for (_, otlp) in Collector::both(&[Does::Takes(partly(i64::MAX))]) {
        let rig = rig(otlp, |it| it);
        ends(2);
        assert!(rig.tracing.flush(SECOND).await);
        assert_eq!(rig.counts(), counts([("rejected", 2)]));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_given_up_is_counted_and_the_next_goes() {
    let collector = Collector::new(vec![Does::Says(503, &[]); 5]);
    let rig = rig(collector.http(), |it| it.batch(2));
    ends(3);
    assert!(rig.tracing.flush(60 * SECOND).await);
    assert_eq!(rig.counts(), counts([("export_failed", 2), (EXPORTED, 1)]));
    assert_eq!(collector.sent().len(), 6);
}

/// The batch in hand, and the queue: while a collector is down there is no more.
#[tokio::test(start_paused = true)]
async fn a_collector_that_is_down_has_no_more_memory_than_the_queue() {
    let collector = Collector::new(vec![Does::Says(503, &[]); 5]);
    let rig = rig(collector.http(), |it| it.batch(2).queue(3));
    ends(2);
    sleep(SECOND / 10).await;
    ends(100);
    assert_eq!(rig.counts(), counts([("queue_full", 97), (WAITING, 5)]));
    sleep(60 * SECOND).await;
    assert_eq!(rig.counts(), counts([("queue_full", 97), ("export_failed", 2), (EXPORTED, 3)]));
}

#[tokio::test(start_paused = true)]
async fn a_flush_ends_when_it_is_to_end_whatever_is_tried_again() {
    for does in [Does::IsAbsent, Does::Says(503, &[("retry-after", "8")])] {
        let collector = Collector::new([does; 1]);
        let rig = rig(collector.http(), |it| it);
        ends(1);
        let begun = Instant::now();
        let limit = SECOND / 2;
        assert!(!rig.tracing.flush(limit).await);
        assert_eq!(begun.elapsed(), limit);
        // Who waits longer, sees it sent.
        assert!(rig.tracing.flush(20 * SECOND).await);
        assert_eq!(rig.counts(), counts([(EXPORTED, 1)]));
    }
}

/// The pipeline's limit holds, too.
#[tokio::test(start_paused = true)]
async fn the_pipeline_gives_up_what_is_tried_for_too_long() {
    let collector = Collector::new(vec![Does::Says(503, &[]); 9]);
    let rig = rig(collector.http().timeout(60 * SECOND), |it| it.timeout(2 * SECOND));
    ends(1);
    let begun = Instant::now();
    assert!(rig.tracing.flush(3 * SECOND).await);
    assert_eq!(begun.elapsed().as_secs(), 2);
    assert_eq!(rig.counts(), counts([("export_failed", 1)]));
    assert_eq!(collector.sent().len(), 2);
}

#[tokio::test]
async fn a_batch_of_many_spans_is_one() {
    for (collector, mut otlp) in Collector::both(&[]) {
        let spans: Vec<SpanData> = (0..512).map(|_| span("greet")).collect();
        otlp.export(spans, &resource("greeter")).await.unwrap();
        let sent = collector.sent();
        assert_eq!(sent[0].batch.resource_spans[0].scope_spans[0].spans.len(), 512);
        assert_eq!(sent.len(), 1);
    }
}
