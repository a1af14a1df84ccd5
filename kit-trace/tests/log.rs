//! One line for each call of a service.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
#![allow(dead_code, reason = "shared")]

#[path = "support/written.rs"]
mod written;

use futures_stream::Items;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame};
use kit_endpoint::{AnyError, Fault, GrpcStatus, HttpStatus, Kind, Request};
use kit_trace::{
    Flags, SpanId, TraceContext, TraceId,
    log::{Format, Lines, LogLayer, call::Facts},
};
use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio_stream::StreamExt;
use tokio_test::{assert_pending, assert_ready, assert_ready_err, task::spawn};
use tower::{Layer, Service, ServiceExt, service_fn};
use tracing_subscriber::prelude::*;
use written::{Written, heard};

mod futures_stream {
    use std::{
        collections::VecDeque,
        pin::Pin,
        task::{Context, Poll},
    };

    /// A stream of what there is.
    #[derive(Debug)]
    pub(crate) struct Items<T>(pub(crate) VecDeque<T>);

    impl<T: Unpin> tokio_stream::Stream for Items<T> {
        type Item = T;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<T>> {
            Poll::Ready(self.0.pop_front())
        }
    }
}

/// A fault of a kind.
#[derive(Debug)]
struct Failed {
    kind: Kind,
    refused: bool,
    source: Option<Box<Self>>,
}

impl Failed {
    fn of(kind: Kind) -> Self {
        Self { kind, refused: false, source: None }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed: {}", self.kind)
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|error| error as _)
    }
}

impl Fault for Failed {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn refused(&self) -> bool {
        self.refused
    }
}

type Line = BTreeMap<String, String>;

/// The lines that come of `calls`, on a paused clock.
fn logged<F: Future<Output = ()>>(calls: impl FnOnce() -> F) -> Vec<Line> {
    let written = Written::default();
    let lines = Lines::new(Format::Logfmt, written.clone());
    heard(tracing_subscriber::registry().with(lines), || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(calls());
    });
    written.logfmt()
}

fn one(lines: Vec<Line>) -> Line {
    assert_eq!(lines.len(), 1, "{lines:#?}");
    lines.into_iter().next().unwrap()
}

/// The line of a call that ends in `result`.
fn line_of(result: Result<(), Failed>) -> Line {
    one(logged(|| async {
        let mut result = Some(result);
        let service = service_fn(move |()| std::future::ready(result.take().unwrap()));
        let _ = LogLayer::new("step").layer(service).oneshot(()).await;
    }))
}

#[test]
fn a_call_is_logged_once_with_its_outcome_and_its_time() {
    let line = one(logged(|| async {
        let service = service_fn(|()| async {
            tokio::time::advance(Duration::from_millis(250)).await;
            Ok::<_, Failed>(())
        });
        LogLayer::new("step").layer(service).oneshot(()).await.unwrap();
    }));
    assert_eq!(line["level"], "info");
    assert_eq!(line["target"], "call");
    assert_eq!(line["message"], "call");
    assert_eq!(line["call"], "step");
    assert_eq!(line["outcome"], "OK");
    assert_eq!(line["duration_us"], "250000");
    for absent in ["instance", "refused", "request_id", "trace_id", "span_id", "error", "left_out"]
    {
        assert!(!line.contains_key(absent), "{line:?}");
    }
}

#[test]
fn the_level_says_who_must_act() {
    for kind in Kind::ALL {
        let level = match kind {
            Kind::Internal | Kind::Unknown | Kind::DataLoss => "error",
            Kind::Unavailable | Kind::DeadlineExceeded => "warn",
            _ => "info",
        };
        let line = line_of(Err(Failed::of(kind)));
        assert_eq!(line["level"], level, "{kind}");
        assert_eq!(line["outcome"], kind.name());
        assert_eq!(line["error"], format!("failed: {kind}"));
    }
}

#[test]
fn what_a_layer_refuses_is_no_error() {
    for (kind, level) in
        [(Kind::Internal, "info"), (Kind::ResourceExhausted, "info"), (Kind::Unavailable, "warn")]
    {
        let line = line_of(Err(Failed { kind, refused: true, source: None }));
        assert_eq!((&*line["level"], &*line["refused"]), (level, "true"), "{kind}");
    }
}

#[test]
fn an_error_is_logged_with_its_sources() {
    let source = Some(Box::new(Failed::of(Kind::DataLoss)));
    let line = line_of(Err(Failed { kind: Kind::Internal, refused: false, source }));
    assert_eq!(line["error"], "failed: INTERNAL: failed: DATA_LOSS");
}

#[test]
fn a_call_that_is_dropped_was_cancelled() {
    let line = one(logged(|| async {
        let service = service_fn(|()| std::future::pending::<Result<(), Failed>>());
        let mut service = LogLayer::new("step").layer(service);
        let mut call = spawn(service.call(()));
        assert_pending!(call.poll());
    }));
    assert_eq!((&*line["outcome"], &*line["level"]), ("CANCELLED", "info"));
}

#[test]
fn a_call_that_panics_is_an_error() {
    let line = one(logged(|| async {
        let service = service_fn(|()| async { panic!("out of words") as Result<(), Failed> });
        let call = LogLayer::new("step").layer(service).oneshot(());
        tokio::spawn(call).await.unwrap_err();
    }));
    assert_eq!((&*line["outcome"], &*line["level"]), ("INTERNAL", "error"));
    assert_eq!(line["error"], "the service panicked");
}

#[test]
fn a_service_that_is_not_ready_is_a_call_that_failed() {
    let line = one(logged(|| async {
        let (service, mut handle) = tower_test::mock::pair::<(), ()>();
        let mut service = LogLayer::new("step").classify(AnyError).layer(service);
        handle.send_error("down");
        let mut ready = spawn(std::future::poll_fn(move |cx| service.poll_ready(cx)));
        assert_ready_err!(ready.poll());
    }));
    assert_eq!((&*line["outcome"], &*line["duration_us"]), ("UNKNOWN", "0"));
}

#[test]
fn errors_that_are_no_faults_are_named_by_a_function() {
    let line = one(logged(|| async {
        let service = service_fn(|()| async { Err::<(), _>("busy") });
        let kind = |result: Result<&(), &&str>| result.err().map(|_| Kind::Unavailable);
        LogLayer::new("step").classify(kind).layer(service).oneshot(()).await.unwrap_err();
    }));
    assert_eq!((&*line["outcome"], &*line["level"]), ("UNAVAILABLE", "warn"));
}

#[test]
fn a_reply_over_http_tells_by_its_status() {
    for (status, level, outcome) in
        [(200, "info", "OK"), (404, "info", "NOT_FOUND"), (500, "error", "INTERNAL")]
    {
        let line = one(logged(|| async move {
            let service = service_fn(move |_: http::Request<()>| async move {
                let reply = http::Response::builder().status(status).body(()).unwrap();
                Ok::<_, Infallible>(reply)
            });
            let service = LogLayer::new("step").classify(HttpStatus).layer(service);
            service.oneshot(http::Request::new(())).await.unwrap();
        }));
        assert_eq!((&*line["level"], &*line["outcome"]), (level, outcome));
    }
}

// ===== what is known of a request =====

#[test]
fn the_request_tells_its_ids_if_it_is_asked() {
    let context = TraceContext::new(
        TraceId::new(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736).unwrap(),
        SpanId::new(0x00f0_67aa_0ba9_02b7).unwrap(),
        Flags::default(),
    );
    let request = || {
        let mut request = Request::new("Ada");
        request.extensions_mut().insert(context.clone());
        #[cfg(feature = "hook")]
        {
            let id = kit_transport::RequestId::new(&HeaderValue::from_static("the-id"));
            request.extensions_mut().insert(id.unwrap());
        }
        request
    };
    let service = || service_fn(async |_: Request<&str>| Ok::<_, Failed>(()));
    let line = one(logged(|| async {
        LogLayer::new("step").of_request().layer(service()).oneshot(request()).await.unwrap();
    }));
    assert_eq!(line["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(line["span_id"], "00f067aa0ba902b7");
    assert_eq!(line.get("request_id").is_some_and(|id| id == "the-id"), cfg!(feature = "hook"));
    let line = one(logged(|| async {
        LogLayer::new("step").layer(service()).oneshot(request()).await.unwrap();
    }));
    assert!(!line.contains_key("trace_id"), "{line:?}");
}

#[test]
fn a_function_tells_what_it_finds_in_a_request() {
    let line = one(logged(|| async {
        let service = service_fn(async |_: &'static str| Ok::<_, Failed>(()));
        let about = |request: &&'static str| {
            let mut facts = Facts::default();
            facts.request_id = Some(HeaderValue::from_static(request));
            facts
        };
        let layer = LogLayer::new("step").about(about).instance("10.0.0.1:9110");
        layer.layer(service).oneshot("7").await.unwrap();
    }));
    assert_eq!((&*line["request_id"], &*line["instance"]), ("7", "10.0.0.1:9110"));
}

#[test]
fn while_nobody_listens_nothing_is_asked() {
    let written = Written::default();
    let lines = Lines::new(Format::Logfmt, written.clone());
    let filter = kit_trace::log::Filter::new("info,call=off").unwrap();
    heard(tracing_subscriber::registry().with(filter).with(lines), || {
        let service = service_fn(|()| std::future::ready(Ok::<_, Failed>(())));
        let mut service = LogLayer::new("step").layer(service);
        assert_ready!(spawn(service.call(())).poll()).unwrap();
    });
    assert_eq!(written.text(), "");
}

// ===== until the end =====

/// A call that replies with a stream of these, of which so many are taken.
fn streamed(items: Vec<Result<u8, Failed>>, taken: usize) -> Vec<Line> {
    logged(|| async move {
        let mut items = Some(Items(VecDeque::from(items)));
        let service =
            service_fn(move |()| std::future::ready(Ok::<_, Failed>(items.take().unwrap())));
        let service = LogLayer::new("step").streaming().layer(service);
        let mut stream = service.oneshot(()).await.unwrap();
        for _ in 0..taken {
            stream.next().await;
        }
    })
}

#[test]
fn a_stream_is_logged_when_it_ends() {
    assert_eq!(one(streamed(vec![Ok(1), Ok(2)], 3))["outcome"], "OK");
    assert_eq!(one(streamed(vec![Ok(1), Ok(2)], 2))["outcome"], "CANCELLED");
    let line = one(streamed(vec![Ok(1), Err(Failed::of(Kind::DataLoss)), Ok(2)], 4));
    assert_eq!((&*line["outcome"], &*line["level"]), ("DATA_LOSS", "error"));
    assert_eq!(line["error"], "failed: DATA_LOSS");
}

#[test]
fn a_call_that_fails_before_its_stream_is_logged_at_once() {
    let line = one(logged(|| async {
        let service =
            service_fn(async |()| Err::<Items<Result<u8, Failed>>, _>(Failed::of(Kind::NotFound)));
        LogLayer::new("step").streaming().layer(service).oneshot(()).await.unwrap_err();
    }));
    assert_eq!(line["outcome"], "NOT_FOUND");
}

/// A body of these frames.
struct Frames(VecDeque<Frame<&'static [u8]>>);

impl Body for Frames {
    type Data = &'static [u8];
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }
}

#[test]
fn a_body_is_logged_at_its_trailers() {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("14"));
    for (frames, taken, outcome) in [
        (vec![], 0, "OK"),
        (vec![Frame::data(&b"a"[..])], 1, "OK"),
        (vec![Frame::data(&b"a"[..]), Frame::data(&b"b"[..])], 1, "CANCELLED"),
        (vec![Frame::data(&b"a"[..]), Frame::trailers(trailers)], 2, "UNAVAILABLE"),
    ] {
        let line = one(logged(|| async move {
            let mut body = Some(Frames(frames.into()));
            let service = service_fn(move |()| {
                std::future::ready(Ok::<_, Infallible>(http::Response::new(body.take().unwrap())))
            });
            let layer = LogLayer::new("step").classify(GrpcStatus).until_body_end();
            let mut body = layer.layer(service).oneshot(()).await.unwrap().into_body();
            for _ in 0..taken {
                std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
            }
        }));
        assert_eq!(line["outcome"], outcome);
    }
}
