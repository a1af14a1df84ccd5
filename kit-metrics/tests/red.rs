//! The RED layer as its users meet it: over a mock service, read off the page.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::float_cmp, reason = "counts are exact")]

mod page;

use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Empty, StreamBody};
use kit_metrics::{
    AnyError, Discard, Fanout, Fault, GrpcStatus, HttpStatus, Kind, KindOf, KindOfEnd, Prometheus,
    Recorder, RedLayer, ServerFaults, Trace, prometheus::Format,
};
use page::Page;
use std::{
    convert::Infallible,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};
use tokio::time::advance;
use tokio_stream::{Stream, StreamExt};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{BoxError, Layer, Service, service_fn};
use tower_test::mock;

fn layer(metrics: &Prometheus) -> RedLayer {
    RedLayer::new(metrics.clone(), "call", &[("method", "greet")])
}

fn count(metrics: &Prometheus, kind: &str) -> f64 {
    let page = Page::read(&metrics.render());
    page.get("call_duration_seconds_count", &[("kind", kind), ("method", "greet")]).unwrap_or(0.0)
}

fn total(metrics: &Prometheus) -> f64 {
    Page::read(&metrics.render()).sum("call_duration_seconds_count")
}

fn in_flight(metrics: &Prometheus) -> f64 {
    let page = Page::read(&metrics.render());
    page.get("call_in_flight", &[("method", "greet")]).expect("the gauge is there from the start")
}

#[derive(Debug)]
struct Failed(Kind);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed: {}", self.0)
    }
}

impl std::error::Error for Failed {}

impl Fault for Failed {
    fn kind(&self) -> Kind {
        self.0
    }
}

#[tokio::test(start_paused = true)]
async fn a_success_is_counted_with_its_duration() {
    let metrics = Prometheus::new();
    let (mut service, mut handle) =
        mock::spawn_layer::<(), (), _>(layer(&metrics).classify(AnyError));
    assert_ready_ok!(service.poll_ready());
    let mut reply = task::spawn(service.call(()));
    let ((), send) = assert_ready!(handle.poll_request()).unwrap();
    assert_pending!(reply.poll());
    assert_eq!(in_flight(&metrics), 1.0);

    advance(Duration::from_millis(300)).await;
    send.send_response(());
    assert_ready_ok!(reply.poll());

    let page = Page::read(&metrics.render());
    let ok = [("kind", "OK"), ("method", "greet")];
    assert_eq!(page.get("call_duration_seconds_count", &ok), Some(1.0));
    assert_eq!(page.get("call_duration_seconds_sum", &ok), Some(0.3));
    assert_eq!(page.bucket("call_duration_seconds", &ok, "0.25"), Some(0.0));
    assert_eq!(page.bucket("call_duration_seconds", &ok, "0.5"), Some(1.0));
    assert_eq!(page.get("call_in_flight", &[("method", "greet")]), Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn there_is_a_series_before_the_first_call() {
    let metrics = Prometheus::new();
    let _layer = layer(&metrics);
    let page = Page::read(&metrics.render());
    let ok = [("kind", "OK"), ("method", "greet")];
    assert_eq!(page.get("call_duration_seconds_count", &ok), Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_fault_has_its_own_label() {
    let metrics = Prometheus::new();
    let fail = |kind: Kind| async move { Err::<(), _>(Failed(kind)) };
    let mut service = layer(&metrics).layer(service_fn(fail));
    for kind in Kind::ALL {
        assert_eq!(service.call(kind).await.unwrap_err().kind(), kind);
    }
    for kind in Kind::ALL {
        assert_eq!(count(&metrics, kind.name()), 1.0, "{kind}");
    }
    assert_eq!(count(&metrics, "OK"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_is_cancelled_and_no_longer_in_flight() {
    let metrics = Prometheus::new();
    let (mut service, _handle) = mock::spawn_layer::<(), (), _>(layer(&metrics).classify(AnyError));
    assert_ready_ok!(service.poll_ready());
    let mut reply = task::spawn(service.call(()));
    assert_pending!(reply.poll());
    drop(reply);
    assert_eq!((count(&metrics, "CANCELLED"), total(&metrics)), (1.0, 1.0));
    assert_eq!(in_flight(&metrics), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_over_when_its_reply_is_there_though_the_future_lives_on() {
    let metrics = Prometheus::new();
    let mut service = layer(&metrics).layer(service_fn(|()| async { Ok::<_, Infallible>(()) }));
    let mut reply = task::spawn(service.call(()));
    assert_ready_ok!(reply.poll());
    assert_eq!(in_flight(&metrics), 0.0);
    drop(reply);
    assert_eq!((count(&metrics, "OK"), total(&metrics)), (1.0, 1.0));
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_internal() {
    let metrics = Prometheus::new();
    let panics = |()| async { if true { panic!("boom") } else { Ok::<_, Infallible>(()) } };
    let mut service = layer(&metrics).layer(service_fn(panics));
    let call = service.call(());
    let panicked = catch_unwind(AssertUnwindSafe(move || task::spawn(call).poll().is_ready()));
    assert!(panicked.is_err());
    assert_eq!((count(&metrics, "INTERNAL"), total(&metrics)), (1.0, 1.0));
    assert_eq!(in_flight(&metrics), 0.0);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_is_a_failed_call() {
    let metrics = Prometheus::new();
    let (mut service, mut handle) =
        mock::spawn_layer::<(), (), _>(layer(&metrics).classify(AnyError));
    handle.send_error("connection refused");
    assert_ready_err!(service.poll_ready());
    assert_eq!((count(&metrics, "UNKNOWN"), total(&metrics)), (1.0, 1.0));
    assert_eq!(in_flight(&metrics), 0.0);
}

#[tokio::test(start_paused = true)]
async fn readiness_is_the_inner_services_and_not_measured() {
    let metrics = Prometheus::new();
    let (mut service, mut handle) =
        mock::spawn_layer::<(), (), _>(layer(&metrics).classify(AnyError));
    handle.allow(0);
    assert_pending!(service.poll_ready());
    advance(Duration::from_secs(9)).await;
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    let mut reply = task::spawn(service.call(()));
    assert_ready!(handle.poll_request()).unwrap().1.send_response(());
    assert_ready_ok!(reply.poll());
    let page = Page::read(&metrics.render());
    assert_eq!(page.sum("call_duration_seconds_sum"), 0.0);
}

#[tokio::test(start_paused = true)]
async fn clones_and_layers_of_one_name_share_their_metrics() {
    let metrics = Prometheus::new();
    let service = service_fn(|()| async { Ok::<_, Infallible>(()) });
    let mut first = layer(&metrics).layer(service);
    let mut second = first.clone();
    let mut third = layer(&metrics).layer(service);
    first.call(()).await.unwrap();
    second.call(()).await.unwrap();
    third.call(()).await.unwrap();
    assert_eq!(count(&metrics, "OK"), 3.0);
}

#[tokio::test(start_paused = true)]
async fn siblings_with_many_labels_are_independent() {
    let metrics = Prometheus::new();
    let common = [("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")];
    let service = service_fn(|()| async { Ok::<_, Infallible>(()) });
    for (sibling, calls) in [("x", 1), ("y", 2), ("z", 3)] {
        let mut labels = common.to_vec();
        labels.push(("sibling", sibling));
        let mut service = RedLayer::new(metrics.clone(), "call", &labels).layer(service);
        for _ in 0..calls {
            service.call(()).await.unwrap();
        }
    }
    let page = Page::read(&metrics.render());
    for (sibling, calls) in [("x", 1.0), ("y", 2.0), ("z", 3.0)] {
        let mut labels = common.to_vec();
        labels.extend([("kind", "OK"), ("sibling", sibling)]);
        assert_eq!(page.get("call_duration_seconds_count", &labels), Some(calls), "{sibling}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_label_kind_cannot_be_taken() {
    let metrics = Prometheus::new();
    let red = RedLayer::new(metrics.clone(), "call", &[("kind", "mine")]);
    red.layer(service_fn(|()| async { Ok::<_, Infallible>(()) })).call(()).await.unwrap();
    let page = Page::read(&metrics.render());
    assert_eq!(page.get("call_duration_seconds_count", &[("kind", "OK")]), Some(1.0));
}

// ===== streams =====

type Items = Vec<Result<u8, Failed>>;

async fn stream(items: Items) -> Result<impl Stream<Item = Result<u8, Failed>>, Failed> {
    Ok(tokio_stream::iter(items))
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_one_call_until_its_last_item() {
    let metrics = Prometheus::new();
    let mut service = layer(&metrics).streaming().layer(service_fn(stream));
    let mut items = service.call(vec![Ok(1)]).await.unwrap();
    assert_eq!(in_flight(&metrics), 1.0);
    advance(Duration::from_secs(2)).await;
    assert!(items.next().await.unwrap().is_ok());
    assert!(items.next().await.is_none());
    let page = Page::read(&metrics.render());
    let ok = [("kind", "OK"), ("method", "greet")];
    assert_eq!(page.get("call_duration_seconds_sum", &ok), Some(2.0));
    drop(items);
    assert_eq!((total(&metrics), in_flight(&metrics)), (1.0, 0.0));
}

#[tokio::test(start_paused = true)]
async fn a_stream_fails_by_the_kind_of_its_error() {
    let metrics = Prometheus::new();
    let mut service = layer(&metrics).streaming().layer(service_fn(stream));
    let mut items = service.call(vec![Err(Failed(Kind::DataLoss))]).await.unwrap();
    assert!(items.next().await.unwrap().is_err());
    assert_eq!((count(&metrics, "DATA_LOSS"), total(&metrics)), (1.0, 1.0));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_is_cancelled() {
    let metrics = Prometheus::new();
    let mut service = layer(&metrics).streaming().layer(service_fn(stream));
    let mut items = service.call(vec![Ok(1), Ok(2)]).await.unwrap();
    assert!(items.next().await.unwrap().is_ok());
    drop(items);
    assert_eq!((count(&metrics, "CANCELLED"), total(&metrics)), (1.0, 1.0));
}

// ===== bodies =====

/// A gRPC reply: a message, then trailers with `status`, if there is one.
fn reply(
    trailers: Option<&'static str>,
) -> Response<impl Body<Data = &'static [u8], Error = Infallible>> {
    let mut frames = vec![Ok(http_body::Frame::data(&b"message"[..]))];
    if let Some(status) = trailers {
        let mut map = HeaderMap::new();
        if !status.is_empty() {
            map.insert("grpc-status", HeaderValue::from_static(status));
        }
        frames.push(Ok(http_body::Frame::trailers(map)));
    }
    Response::new(StreamBody::new(tokio_stream::iter(frames)))
}

async fn end_of(trailers: Option<&'static str>) -> Prometheus {
    let metrics = Prometheus::new();
    let red = layer(&metrics).classify(GrpcStatus).until_body_end();
    let mut service = red
        .layer(service_fn(|t: Option<&'static str>| async move { Ok::<_, Infallible>(reply(t)) }));
    let response = service.call(trailers).await.unwrap();
    assert_eq!(total(&metrics), 0.0, "the status is not known yet");
    response.into_body().collect().await.unwrap();
    assert_eq!(total(&metrics), 1.0);
    metrics
}

#[tokio::test(start_paused = true)]
async fn the_trailers_tell_how_a_grpc_call_ended() {
    for (trailers, kind) in [
        (Some("0"), "OK"),
        (Some("5"), "NOT_FOUND"),
        (Some("14"), "UNAVAILABLE"),
        (Some("99"), "UNKNOWN"),
        (Some("x"), "UNKNOWN"),
        (Some(""), "UNKNOWN"),
        (None, "OK"),
    ] {
        let metrics = end_of(trailers).await;
        assert_eq!(count(&metrics, kind), 1.0, "{trailers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_grpc_status_in_the_headers_ends_the_call() {
    for (status, code, kind) in
        [(200, Some("12"), "UNIMPLEMENTED"), (200, Some("0"), "OK"), (503, None, "UNAVAILABLE")]
    {
        let metrics = Prometheus::new();
        let red = layer(&metrics).classify(GrpcStatus).until_body_end();
        let mut service = red.layer(service_fn(|()| async {
            let mut response = Response::new(Empty::<&[u8]>::new());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            if let Some(code) = code {
                response.headers_mut().insert("grpc-status", HeaderValue::from_static(code));
            }
            Ok::<_, Infallible>(response)
        }));
        let _response = service.call(()).await.unwrap();
        assert_eq!((count(&metrics, kind), total(&metrics)), (1.0, 1.0), "{status} {code:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_dropped_is_cancelled() {
    let metrics = Prometheus::new();
    let red = layer(&metrics).classify(HttpStatus).until_body_end();
    let mut service = red.layer(service_fn(|()| async { Ok::<_, Infallible>(reply(None)) }));
    drop(service.call(()).await.unwrap());
    assert_eq!((count(&metrics, "CANCELLED"), total(&metrics)), (1.0, 1.0));
}

#[tokio::test(start_paused = true)]
async fn an_http_status_is_a_kind() {
    let metrics = Prometheus::new();
    let mut service =
        layer(&metrics).classify(HttpStatus).layer(service_fn(|status: StatusCode| async move {
            let mut response = Response::new(());
            *response.status_mut() = status;
            Ok::<_, Infallible>(response)
        }));
    for status in [StatusCode::FOUND, StatusCode::NOT_FOUND, StatusCode::BAD_GATEWAY] {
        service.call(status).await.unwrap();
    }
    for kind in ["OK", "NOT_FOUND", "UNAVAILABLE"] {
        assert_eq!(count(&metrics, kind), 1.0, "{kind}");
    }
}

#[test]
fn classifiers_agree_on_errors() {
    let failed = Failed(Kind::Aborted);
    let any: Result<&Response<()>, &Failed> = Err(&failed);
    assert_eq!(ServerFaults.kind_of(any), Some(Kind::Aborted));
    assert_eq!(AnyError.kind_of(any), Some(Kind::Unknown));
    assert_eq!(HttpStatus.kind_of(any), Some(Kind::Unknown));
    assert_eq!(GrpcStatus.kind_of(any), Some(Kind::Unknown));
    assert_eq!(ServerFaults.kind_of_end(Err(&failed)), Some(Kind::Aborted));
    assert_eq!(AnyError.kind_of_end(Err(&failed)), Some(Kind::Unknown));
    assert_eq!(HttpStatus.kind_of_end(Err(&failed)), Some(Kind::Unknown));
    assert_eq!(GrpcStatus.kind_of_end(Err(&failed)), Some(Kind::Unknown));
    assert_eq!(KindOfEnd::<Failed>::kind_of_end(&HttpStatus, Ok(None)), None);
}

#[tokio::test(start_paused = true)]
async fn a_function_classifies_too() {
    let metrics = Prometheus::new();
    let absent = |result: Result<&Option<u8>, &BoxError>| match result {
        Ok(Some(_)) => None,
        Ok(None) => Some(Kind::NotFound),
        Err(_) => Some(Kind::Unavailable),
    };
    let red = layer(&metrics).classify(absent);
    let mut service = red.layer(service_fn(|found: Option<u8>| async move { Ok(found) }));
    service.call(None).await.unwrap();
    assert_eq!(count(&metrics, "NOT_FOUND"), 1.0);
}

#[test]
fn the_layer_and_its_parts_go_between_threads() {
    fn assert_send_sync<T: Send + Sync>() {}
    assert_send_sync::<RedLayer>();
    assert_send_sync::<kit_metrics::red::Call>();
    assert_send_sync::<Prometheus>();
    assert_send_sync::<kit_metrics::HttpServer>();
    assert_send_sync::<kit_metrics::server::HttpCall>();
    assert_send_sync::<kit_metrics::GrpcServer>();
}

// ===== in flight =====

/// Never replies.
fn stuck(
    layer: &RedLayer,
) -> impl Service<(), Response = (), Error = Failed, Future: Send> + use<> {
    layer.layer(service_fn(|(): ()| std::future::pending::<Result<(), Failed>>()))
}

#[tokio::test(start_paused = true)]
async fn layers_of_one_name_add_up_what_is_in_flight() {
    let metrics = Prometheus::new();
    let (one, other) = (layer(&metrics), layer(&metrics));
    let calls = [stuck(&one).call(()), stuck(&one.clone()).call(()), stuck(&other).call(())];
    assert_eq!(in_flight(&metrics), 3.0);
    drop((one, other));
    assert_eq!(in_flight(&metrics), 3.0, "calls outlive what made them");
    drop(calls);
    assert_eq!(in_flight(&metrics), 0.0);
    let _again = stuck(&layer(&metrics)).call(());
    assert_eq!(in_flight(&metrics), 1.0);
}

#[tokio::test(start_paused = true)]
async fn another_recorder_is_told_what_is_in_flight() {
    let metrics = Prometheus::new();
    let fanout = Fanout::new().to(metrics.clone());
    let calls = {
        let layer = RedLayer::new(fanout, "call", &[("method", "greet")]);
        [stuck(&layer).call(()), stuck(&layer).call(())]
    };
    assert_eq!(in_flight(&metrics), 2.0);
    drop(calls);
    assert_eq!(in_flight(&metrics), 0.0);
}

// ===== exemplars =====

/// What a tracer leaves in the extensions.
#[derive(Clone)]
struct Context([u8; 16]);

fn trace(extensions: &http::Extensions) -> Option<Trace> {
    Trace::new(extensions.get::<Context>()?.0, [0; 8])
}

fn traced(context: Option<Context>) -> http::Request<()> {
    let mut request = http::Request::new(());
    if let Some(context) = context {
        request.extensions_mut().insert(context);
    }
    request
}

/// Measures two calls, one of them sampled, and returns the OpenMetrics page.
fn example(recorder: impl Recorder + Send + Sync + 'static, metrics: &Prometheus) -> String {
    let layer = RedLayer::new(recorder, "call", &[]).classify(AnyError).exemplars(trace);
    let inner = |_: http::Request<()>| std::future::ready(Ok::<_, Infallible>(()));
    let mut red = layer.layer(service_fn(inner));
    for context in [Some(Context([0xab; 16])), None] {
        assert_ready_ok!(task::spawn(red.call(traced(context))).poll());
    }
    metrics.render_as(Format::OpenMetrics)
}

#[tokio::test(start_paused = true)]
async fn a_trace_in_the_request_is_an_example() {
    let id = format!("# {{trace_id=\"{}\"}} 0", "ab".repeat(16));
    let metrics = Prometheus::new();
    let page = example(metrics.clone(), &metrics);
    assert!(
        page.matches(&id).count() == 1 && page.contains(&format!("le=\"0.005\"}} 2 {id} ")),
        "{page}"
    );
    let metrics = Prometheus::new();
    let page = example(metrics.registry().clone(), &metrics);
    assert!(page.contains(&id), "straight into the registry: {page}");
    let metrics = Prometheus::new();
    let page = example(Fanout::new().to(Discard).to(metrics.clone()), &metrics);
    assert!(page.contains(&id), "beside another recorder: {page}");
}

#[tokio::test(start_paused = true)]
async fn a_request_without_extensions_is_measured_where_no_example_is_asked_for() {
    let metrics = Prometheus::new();
    let mut red = layer(&metrics)
        .classify(AnyError)
        .layer(service_fn(|(): ()| std::future::ready(Ok::<_, Infallible>(()))));
    assert_ready_ok!(task::spawn(red.call(())).poll());
    assert_eq!(count(&metrics, "OK"), 1.0);
}
