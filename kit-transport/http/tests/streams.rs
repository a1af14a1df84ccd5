//! Servers of the three streaming shapes as services: no sockets.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
#![cfg(all(feature = "json-lines", feature = "sse"))]

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use kit_endpoint::{BodyCut, DeadlineLayer, Details, Expired, Fault, Kind};
use kit_transport::{End, Outcome, RequestIds, hook::Faults};
use kit_transport_http::{
    Failure, Server, json, json_lines, nothing,
    sse::{self, Event, LastEventId},
    stream::ReadError,
};
use std::{
    convert::Infallible,
    error,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{Instant, advance, timeout},
};
use tokio_stream::{
    Stream, StreamExt,
    wrappers::{ReceiverStream, UnboundedReceiverStream},
};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{BoxError, Layer, ServiceExt, service_fn};

type Kit<T> = kit_endpoint::Request<T>;

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("nobody is called Eve")]
    NotFound,
    #[error("password is hunter2")]
    Broken,
    #[error(transparent)]
    Expired(#[from] Expired),
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Fault for Error {
    fn inner(&self) -> Option<&dyn Fault> {
        match self {
            Self::NotFound | Self::Broken => None,
            Self::Expired(fact) => Some(fact),
            Self::Read(fact) => Some(fact),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::NotFound => Kind::NotFound,
            Self::Broken => Kind::Internal,
            Self::Expired(fact) => fact.kind(),
            Self::Read(fact) => fact.kind(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        matches!(self, Self::Broken).then(|| Duration::from_millis(1500))
    }

    fn describe(&self, details: &mut Details) {
        if let Some(inner) = self.inner() {
            inner.describe(details);
        }
    }
}

/// Collects how requests ended, and of which faults hooks heard.
#[derive(Clone, Default)]
struct Ends(Arc<Mutex<Vec<End>>>, Arc<Mutex<Vec<String>>>);

impl Ends {
    fn hook(&self) -> impl Fn(&End) + Clone + use<> {
        let ends = Arc::clone(&self.0);
        move |end| ends.lock().unwrap().push(end.clone())
    }

    fn faults(&self) -> Faults<impl Fn(&kit_transport::hook::Faulted<'_>) + Clone + use<>> {
        let faults = Arc::clone(&self.1);
        Faults(move |failed: &kit_transport::hook::Faulted<'_>| {
            faults.lock().unwrap().push(format!("{}: {}", failed.phase, failed.fault));
        })
    }

    fn none(&self) {
        assert!(self.0.lock().unwrap().is_empty(), "the request is over too early");
    }

    fn one(&self) -> End {
        let ends = self.0.lock().unwrap();
        assert_eq!(ends.len(), 1, "finish is called exactly once: {ends:?}");
        ends[0].clone()
    }

    fn heard(&self) -> Vec<String> {
        self.1.lock().unwrap().clone()
    }
}

fn get() -> Request<Empty<Bytes>> {
    Request::new(Empty::new())
}

fn post(body: &'static str) -> Request<Full<Bytes>> {
    Request::new(Full::new(Bytes::from_static(body.as_bytes())))
}

async fn text<B: Body<Data = Bytes, Error = Infallible>>(response: Response<B>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn frame<B: Body<Data = Bytes, Error = Infallible> + Unpin>(body: &mut B) -> String {
    let data = body.frame().await.unwrap().unwrap().into_data().unwrap();
    String::from_utf8(data.to_vec()).unwrap()
}

type Items = Result<UnboundedReceiverStream<Result<u32, Error>>, Error>;

/// An endpoint that replies with what is sent, for one call.
fn endpoint() -> (
    mpsc::UnboundedSender<Result<u32, Error>>,
    impl kit_endpoint::Endpoint<
        (),
        Response = UnboundedReceiverStream<Result<u32, Error>>,
        Error = Error,
    >,
) {
    let (send, items) = mpsc::unbounded_channel();
    let items = Arc::new(Mutex::new(Some(items)));
    let endpoint = service_fn(move |_: Kit<()>| {
        let items = items.lock().unwrap().take().expect("it is called once");
        async move { Items::Ok(items.into()) }
    });
    (send, endpoint)
}

async fn numbers(_: Kit<()>) -> Result<impl Stream<Item = Result<u32, Error>>, Error> {
    Ok(tokio_stream::iter([Ok(1), Ok(2)]))
}

async fn half(_: Kit<()>) -> Result<impl Stream<Item = Result<u32, Error>>, Error> {
    Ok(tokio_stream::iter([Ok(1), Err(Error::NotFound), Ok(2)]))
}

async fn refuses(_: Kit<()>) -> Items {
    Err(Error::NotFound)
}

fn lines() -> json_lines::Writer {
    json_lines::Writer::new()
}

const NOT_FOUND: &str = r#"{"type":"about:blank","title":"Not Found","status":404,"detail":"nobody is called Eve","kind":"NOT_FOUND"}"#;

#[tokio::test]
async fn replies_go_out_as_json_lines() {
    let ends = Ends::default();
    let server =
        Server::server_streaming(service_fn(numbers), nothing, lines()).finally(ends.hook());
    let response = server.oneshot(get()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/jsonl");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    ends.none();
    assert_eq!(text(response).await, "1\n2\n");
    let end = ends.one();
    assert_eq!((end.outcome, end.sent), (Outcome::Replied, 4));
    assert_eq!(end.status.unwrap(), 200);
}

#[tokio::test]
async fn replies_go_out_as_server_sent_events() {
    let write = sse::Writer::new(sse::json);
    let server = Server::server_streaming(service_fn(numbers), nothing, write);
    let response = server.oneshot(get()).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["cache-control"], "no-cache");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    assert_eq!(text(response).await, "data: 1\n\ndata: 2\n\n");
}

#[tokio::test]
async fn a_fault_before_the_stream_has_its_status() {
    let ends = Ends::default();
    let server = Server::server_streaming(service_fn(refuses), nothing, lines())
        .hook(RequestIds)
        .hook(ends.faults())
        .finally(ends.hook());
    let response = server.oneshot(get()).await.unwrap();
    assert_eq!(response.status(), 404);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert!(response.headers().contains_key("x-request-id"));
    let length = response.body().size_hint().exact().unwrap();
    ends.none();
    assert_eq!(text(response).await.len() as u64, length);
    let end = ends.one();
    assert_eq!((end.outcome, end.sent), (Outcome::Failed(Kind::NotFound), length));
    assert_eq!(ends.heard(), ["endpoint: nobody is called Eve"]);
}

#[tokio::test]
async fn a_request_that_cannot_be_decoded_has_its_status() {
    let endpoint = service_fn(|_: Kit<u32>| refuses(Kit::new(())));
    let server = Server::server_streaming(endpoint, json::decode, lines()).body_limit(4);
    assert_eq!(server.clone().oneshot(post("{")).await.unwrap().status(), 400);
    assert_eq!(server.clone().oneshot(post("12345")).await.unwrap().status(), 413);
    assert_eq!(server.oneshot(post("7")).await.unwrap().status(), 404);
}

#[tokio::test]
async fn a_fault_amid_the_stream_is_its_last_line_and_its_outcome() {
    let ends = Ends::default();
    let server = Server::server_streaming(service_fn(half), nothing, lines())
        .hook(ends.faults())
        .finally(ends.hook());
    let mut body = server.oneshot(get()).await.unwrap().into_body();
    assert_eq!(frame(&mut body).await, "1\n");
    ends.none();
    assert_eq!(frame(&mut body).await, format!("{{\"error\":{NOT_FOUND}}}\n"));
    // hyper does not ask again.
    assert!(body.is_end_stream());
    let end = ends.one();
    assert_eq!(end.outcome, Outcome::Failed(Kind::NotFound));
    assert_eq!((end.status.unwrap().as_u16(), end.sent), (200, 2 + 11 + NOT_FOUND.len() as u64));
    assert_eq!(end.error.as_deref(), Some("nobody is called Eve"));
    assert_eq!(ends.heard(), ["endpoint: nobody is called Eve"]);
    assert!(body.frame().await.is_none());
    ends.one();
}

#[tokio::test]
async fn a_fault_amid_the_events_is_an_event_of_the_type_error() {
    let server = Server::server_streaming(service_fn(half), nothing, sse::Writer::new(sse::json));
    let events = text(server.oneshot(get()).await.unwrap()).await;
    assert_eq!(events, format!("data: 1\n\nevent: error\ndata: {NOT_FOUND}\n\n"));
}

#[tokio::test]
async fn a_fault_of_the_service_amid_the_stream_hides_what_it_says() {
    let (send, endpoint) = endpoint();
    let server = Server::server_streaming(endpoint, nothing, sse::Writer::new(sse::json));
    let response = server.oneshot(get()).await.unwrap();
    send.send(Err(Error::Broken)).unwrap();
    let events = text(response).await;
    assert!(events.starts_with("event: error\nretry: 1500\ndata: {"), "{events}");
    assert!(!events.contains("hunter2"), "{events}");
}

#[tokio::test]
async fn the_error_encoder_writes_faults_amid_the_stream_too() {
    let server = Server::server_streaming(service_fn(half), nothing, lines())
        .encode_error(|failure: &Failure<'_>| Response::new(failure.fault.to_string().into()));
    let lines = text(server.oneshot(get()).await.unwrap()).await;
    assert_eq!(lines, "1\n{\"error\":\"nobody is called Eve\"}\n");
}

#[tokio::test]
async fn an_item_that_cannot_be_written_is_a_fault_amid_the_stream() {
    let ends = Ends::default();
    let endpoint = service_fn(|_: Kit<()>| async {
        Ok::<_, Error>(tokio_stream::iter([Ok::<_, Error>(Event::new("a").id("\n"))]))
    });
    let server = Server::server_streaming(endpoint, nothing, sse::Writer::new(sse::event))
        .hook(ends.faults())
        .finally(ends.hook());
    let events = text(server.oneshot(get()).await.unwrap()).await;
    assert!(events.starts_with("event: error\ndata: {"), "{events}");
    assert_eq!(ends.one().outcome, Outcome::Failed(Kind::Internal));
    assert_eq!(ends.heard(), ["encode: cannot encode the message"]);
}

#[tokio::test(start_paused = true)]
async fn an_item_goes_out_when_it_is_there_and_the_head_before_it() {
    let (send, endpoint) = endpoint();
    let server = Server::server_streaming(endpoint, nothing, lines());
    let mut body = server.oneshot(get()).await.unwrap().into_body();
    let mut next = task::spawn(body.frame());
    assert_pending!(next.poll());
    send.send(Ok(7)).unwrap();
    assert!(next.is_woken());
    let item = assert_ready!(next.poll()).unwrap().unwrap().into_data().unwrap();
    assert_eq!(item, "7\n");
}

#[tokio::test]
async fn nothing_is_taken_that_is_not_asked_for() {
    let taken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&taken);
    let endpoint = service_fn(move |_: Kit<()>| {
        let count = Arc::clone(&count);
        async move {
            Ok::<_, Error>(tokio_stream::iter(0..u32::MAX).map(move |item| {
                count.fetch_add(1, Ordering::SeqCst);
                Ok::<_, Error>(item)
            }))
        }
    });
    let server = Server::server_streaming(endpoint, nothing, lines());
    let mut body = server.oneshot(get()).await.unwrap().into_body();
    assert_eq!(taken.load(Ordering::SeqCst), 0);
    for asked in 1..100 {
        frame(&mut body).await;
        assert_eq!(taken.load(Ordering::SeqCst), asked);
    }
}

#[tokio::test]
async fn dropped_it_drops_the_endpoints_stream_and_is_cancelled() {
    let ends = Ends::default();
    let (send, endpoint) = endpoint();
    let server = Server::server_streaming(endpoint, nothing, lines()).finally(ends.hook());
    let mut body = server.oneshot(get()).await.unwrap().into_body();
    send.send(Ok(7)).unwrap();
    frame(&mut body).await;
    assert!(!send.is_closed());
    drop(body);
    assert!(send.is_closed());
    let end = ends.one();
    assert_eq!((end.outcome, end.sent), (Outcome::Cancelled, 2));
}

#[tokio::test]
async fn at_its_end_and_its_fault_the_endpoints_stream_is_dropped_at_once() {
    for last in [None, Some(Error::NotFound)] {
        let dropped = Arc::new(AtomicBool::new(false));
        let canary = Canary(Arc::clone(&dropped));
        let stream = tokio_stream::iter(last.map(Err::<u32, _>)).map(move |item| {
            let _held = &canary;
            item
        });
        let stream = Arc::new(Mutex::new(Some(stream)));
        let endpoint = service_fn(move |_: Kit<()>| {
            let stream = stream.lock().unwrap().take().unwrap();
            async move { Ok::<_, Error>(stream) }
        });
        let server = Server::server_streaming(endpoint, nothing, lines());
        let mut body = server.oneshot(get()).await.unwrap().into_body();
        assert!(!dropped.load(Ordering::SeqCst));
        let _ = body.frame().await;
        assert!(dropped.load(Ordering::SeqCst));
    }
}

struct Canary(Arc<AtomicBool>);

impl Drop for Canary {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_head_alone_is_the_end_and_has_no_stream() {
    let ends = Ends::default();
    let (send, endpoint) = endpoint();
    let server = Server::server_streaming(endpoint, nothing, lines()).finally(ends.hook());
    let request = Request::builder().method(Method::HEAD).body(Empty::<Bytes>::new()).unwrap();
    let response = server.oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/jsonl");
    assert!(response.body().is_end_stream());
    assert_eq!(response.body().size_hint().exact(), Some(0), "else it would be compressed");
    assert!(send.is_closed());
    assert_eq!(ends.one().outcome, Outcome::Replied);
    let server = Server::server_streaming(service_fn(refuses), nothing, lines());
    let ends = Ends::default();
    let request = Request::builder().method(Method::HEAD).body(Empty::<Bytes>::new()).unwrap();
    let response = server.finally(ends.hook()).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 404);
    assert!(response.headers().contains_key("content-length"), "that of a GET is known");
    assert_eq!(text(response).await, "");
    assert_eq!(ends.one().outcome, Outcome::Failed(Kind::NotFound));
}

#[tokio::test(start_paused = true)]
async fn an_idle_stream_of_events_has_a_comment_every_15_s() {
    let (send, endpoint) = endpoint();
    let server = Server::server_streaming(endpoint, nothing, sse::Writer::new(sse::json));
    let mut body = server.oneshot(get()).await.unwrap().into_body();
    let start = Instant::now();
    for comment in 1..4 {
        assert_eq!(frame(&mut body).await, ":\n\n");
        assert_eq!(start.elapsed().as_secs(), comment * 15);
    }
    assert_pending!(task::spawn(body.frame()).poll());
    advance(Duration::from_secs(14)).await;
    send.send(Ok(7)).unwrap();
    assert_eq!(frame(&mut body).await, "data: 7\n\n");
    let start = Instant::now();
    assert_eq!(frame(&mut body).await, ":\n\n");
    assert_eq!(start.elapsed().as_secs(), 15);
    drop(send);
    assert!(body.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn comments_come_as_often_as_they_are_asked_for_or_never() {
    let (_send, every) = endpoint();
    let write = sse::Writer::new(sse::json).keep_alive(Duration::from_secs(1));
    let mut body =
        Server::server_streaming(every, nothing, write).oneshot(get()).await.unwrap().into_body();
    let start = Instant::now();
    frame(&mut body).await;
    assert_eq!(start.elapsed().as_secs(), 1);

    let (_send, never) = endpoint();
    let write = sse::Writer::new(sse::json).keep_alive(None);
    let mut body =
        Server::server_streaming(never, nothing, write).oneshot(get()).await.unwrap().into_body();
    let mut next = task::spawn(body.frame());
    assert_pending!(next.poll());
    advance(Duration::from_hours(1)).await;
    assert!(!next.is_woken());
}

fn within(millis: u64) -> Request<Empty<Bytes>> {
    let request = Request::builder().header("x-request-timeout-ms", millis);
    request.body(Empty::new()).unwrap()
}

const EXPIRED: &str = r#"{"type":"about:blank","title":"Gateway Timeout","status":504,"detail":"deadline exceeded","kind":"DEADLINE_EXCEEDED"}"#;

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_a_stream_with_the_fault_and_drops_it() {
    let ends = Ends::default();
    let (send, endpoint) = endpoint();
    let server = Server::server_streaming(endpoint, nothing, sse::Writer::new(sse::json))
        .finally(ends.hook());
    let mut body = server.oneshot(within(20_000)).await.unwrap().into_body();
    let start = Instant::now();
    send.send(Ok(7)).unwrap();
    assert_eq!(frame(&mut body).await, "data: 7\n\n");
    assert_eq!(frame(&mut body).await, ":\n\n");
    assert_eq!(frame(&mut body).await, format!("event: error\ndata: {EXPIRED}\n\n"));
    assert_eq!(start.elapsed().as_secs(), 20);
    assert!(send.is_closed(), "the stream goes on for nobody");
    assert_eq!(ends.one().outcome, Outcome::Failed(Kind::DeadlineExceeded));
    assert!(body.is_end_stream());
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_a_stream_that_never_waits_but_not_its_first_item() {
    let endpoint = service_fn(|_: Kit<()>| async {
        Ok::<_, Error>(tokio_stream::iter(0..u32::MAX).map(Ok::<_, Error>))
    });
    let server = Server::server_streaming(endpoint, nothing, lines());
    let mut body = server.oneshot(within(1)).await.unwrap().into_body();
    advance(Duration::from_millis(1)).await;
    assert_eq!(frame(&mut body).await, "0\n");
    assert_eq!(frame(&mut body).await, format!("{{\"error\":{EXPIRED}}}\n"));
}

#[tokio::test(start_paused = true)]
async fn before_the_stream_the_deadline_is_a_504() {
    let endpoint = service_fn(|_: Kit<()>| std::future::pending::<Items>());
    let server = Server::server_streaming(endpoint, nothing, lines());
    let start = Instant::now();
    let reply = timeout(Duration::from_mins(1), server.oneshot(within(250))).await;
    assert_eq!(reply.expect("it waits for good").unwrap().status(), 504);
    assert_eq!(start.elapsed().as_millis(), 250);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_layer_of_the_endpoint_ends_its_stream_too() {
    let (send, endpoint) = endpoint();
    let layer = DeadlineLayer::of_request().default(Duration::from_secs(1)).streaming();
    let server = Server::server_streaming(layer.layer(endpoint), nothing, lines());
    let response = server.oneshot(get()).await.unwrap();
    assert_eq!(text(response).await, format!("{{\"error\":{EXPIRED}}}\n"));
    assert!(send.is_closed());
}

#[tokio::test]
async fn a_reader_that_comes_back_is_heard_by_the_endpoint() {
    async fn after(request: Kit<()>) -> Result<impl Stream<Item = Result<Event, Error>>, Error> {
        let last = request.extensions().get::<LastEventId>().unwrap().as_str().to_owned();
        Ok(tokio_stream::once(Ok(Event::new("next").id(last + "+1"))))
    }
    let server = Server::server_streaming(service_fn(after), nothing, sse::Writer::new(sse::event));
    let request = Request::builder().header("last-event-id", "7").body(Empty::<Bytes>::new());
    let response = server.oneshot(request.unwrap()).await.unwrap();
    assert_eq!(text(response).await, "id: 7+1\ndata: next\n\n");
}

// ===== streams of requests =====

async fn sum<E>(request: Kit<impl Stream<Item = Result<u32, E>>>) -> Result<u32, Error>
where
    Error: From<E>,
{
    let mut numbers = pin!(request.into_message());
    let mut sum = 0;
    while let Some(number) = numbers.next().await {
        sum += number?;
    }
    Ok(sum)
}

fn reader() -> json_lines::Reader<u32> {
    json_lines::Reader::new()
}

type Chunks = mpsc::UnboundedSender<Result<Frame<Bytes>, BoxError>>;

/// A request whose body is what is sent.
fn sending()
-> (Chunks, Request<StreamBody<UnboundedReceiverStream<Result<Frame<Bytes>, BoxError>>>>) {
    let (send, frames) = mpsc::unbounded_channel();
    (send, Request::new(StreamBody::new(frames.into())))
}

fn send(chunks: &Chunks, chunk: &'static str) {
    chunks.send(Ok(Frame::data(chunk.into()))).unwrap();
}

#[tokio::test]
async fn requests_come_as_json_lines() {
    let ends = Ends::default();
    let server =
        Server::client_streaming(service_fn(sum), reader(), json::encode).finally(ends.hook());
    let response = server.oneshot(post("1\n2\r\n\n4")).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(text(response).await, "7");
    let end = ends.one();
    assert_eq!((end.outcome, end.received, end.sent), (Outcome::Replied, 7, 1));
}

#[tokio::test]
async fn an_item_is_taken_when_it_has_come_whatever_the_chunks() {
    let ends = Ends::default();
    let server =
        Server::client_streaming(service_fn(sum), reader(), json::encode).finally(ends.hook());
    let (chunks, request) = sending();
    let mut reply = task::spawn(server.oneshot(request));
    assert_pending!(reply.poll());
    for chunk in ["1", "0", "\n2", "0\n", "\n", "30"] {
        send(&chunks, chunk);
        assert!(reply.is_woken());
        assert_pending!(reply.poll());
    }
    drop(chunks);
    let response = assert_ready!(reply.poll()).unwrap();
    assert_eq!(text(response).await, "60");
    assert_eq!(ends.one().received, 9);
}

#[tokio::test]
async fn a_line_that_cannot_be_read_is_the_callers_fault() {
    let server = Server::client_streaming(service_fn(sum), reader(), json::encode);
    let response = server.oneshot(post("1\n\"2\"\n")).await.unwrap();
    assert_eq!(response.status(), 400);
    let problem: serde_json::Value = serde_json::from_str(&text(response).await).unwrap();
    assert!(problem["detail"].as_str().unwrap().starts_with("cannot read line 2: "), "{problem}");
    assert!(
        problem["violations"][0]["description"].as_str().unwrap().starts_with("line 2: "),
        "{problem}"
    );
}

#[tokio::test]
async fn a_line_has_a_limit_and_the_body_has_none() {
    let read = reader().line_limit(1024);
    let server = Server::client_streaming(service_fn(sum), read, json::encode);
    let body = format!("{:>1000}\n", 1).repeat(3000);
    let request = Request::new(Full::new(Bytes::from(body)));
    assert_eq!(text(server.clone().oneshot(request).await.unwrap()).await, "3000");
    let request = Request::new(Full::new(Bytes::from(" ".repeat(1025))));
    assert_eq!(server.oneshot(request).await.unwrap().status(), 413);
}

#[tokio::test]
async fn a_peer_that_leaves_is_told_from_the_end() {
    let ends = Ends::default();
    let server = Server::client_streaming(service_fn(sum), reader(), json::encode)
        .hook(ends.faults())
        .finally(ends.hook());
    let (chunks, request) = sending();
    send(&chunks, "1\n2");
    chunks.send(Err("reset".into())).unwrap();
    let response = server.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 499);
    let _ = text(response).await;
    let end = ends.one();
    assert_eq!((end.outcome, end.received), (Outcome::Failed(Kind::Cancelled), 3));
    assert_eq!(end.error.as_deref(), Some("the stream broke off before its end: reset"));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_stalls_is_waited_for_until_the_deadline() {
    let server = Server::client_streaming(service_fn(sum), reader(), json::encode);
    let (chunks, mut request) = sending();
    request.headers_mut().insert("x-request-timeout-ms", 250.into());
    let start = Instant::now();
    let reply = timeout(Duration::from_mins(1), server.oneshot(request)).await;
    let response = reply.expect("it waits for good").unwrap();
    assert_eq!((response.status().as_u16(), start.elapsed().as_millis()), (504, 250));
    assert!(chunks.is_closed(), "the body is held for nobody");
}

#[tokio::test]
async fn dropped_a_call_drops_the_body_and_counts_what_came() {
    let ends = Ends::default();
    let server =
        Server::client_streaming(service_fn(sum), reader(), json::encode).finally(ends.hook());
    let (chunks, request) = sending();
    send(&chunks, "1\n2\n");
    let mut reply = task::spawn(server.oneshot(request));
    assert_pending!(reply.poll());
    drop(reply);
    assert!(chunks.is_closed());
    let end = ends.one();
    assert_eq!((end.outcome, end.received), (Outcome::Cancelled, 4));
}

#[tokio::test]
async fn requests_that_a_limit_cut_off_are_no_caller_that_left() {
    for (cut, status) in [(BodyCut::TooLarge, 413), (BodyCut::TooSlow, 504)] {
        let frames = [Ok(Frame::data(Bytes::from("1\n"))), Err(cut)];
        let request = Request::post("/").body(StreamBody::new(tokio_stream::iter(frames)));
        let server = Server::client_streaming(service_fn(sum), reader(), json::encode);
        let response = server.oneshot(request.unwrap()).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
    }
}

#[tokio::test]
async fn the_content_type_is_checked_where_the_user_asks_for_it() {
    let server = Server::client_streaming(service_fn(sum), reader().typed(), json::encode);
    for (media, status) in [
        ("application/jsonl", 200),
        ("Application/X-NDJSON; charset=utf-8", 200),
        ("application/json", 415),
        ("", 415),
    ] {
        let mut request = post("1\n");
        request.headers_mut().insert("content-type", media.parse().unwrap());
        let response = server.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), status, "{media}");
    }
}

// ===== streams both ways =====

async fn double<E>(
    request: Kit<impl Stream<Item = Result<u32, E>>>,
) -> Result<impl Stream<Item = Result<u32, Error>>, Error>
where
    Error: From<E>,
{
    Ok(request.into_message().map(|number| Ok(number? * 2)))
}

#[tokio::test]
async fn streams_go_both_ways_at_once() {
    let ends = Ends::default();
    let server = Server::bidi(service_fn(double), reader(), lines()).finally(ends.hook());
    let (chunks, request) = sending();
    let mut body = server.oneshot(request).await.unwrap().into_body();
    for (there, back) in [("1\n", "2\n"), ("20\n", "40\n")] {
        let mut next = task::spawn(body.frame());
        assert_pending!(next.poll());
        send(&chunks, there);
        let item = assert_ready!(next.poll()).unwrap().unwrap().into_data().unwrap();
        assert_eq!(item, back);
    }
    send(&chunks, "3");
    drop(chunks);
    assert_eq!(frame(&mut body).await, "6\n");
    ends.none();
    assert!(body.frame().await.is_none());
    let end = ends.one();
    assert_eq!((end.outcome, end.received, end.sent), (Outcome::Replied, 6, 7));
}

#[tokio::test]
async fn half_duplex_all_is_sent_before_any_is_read() {
    let server = Server::bidi(service_fn(double), reader(), lines());
    let response = server.oneshot(post("1\n2\n3\n")).await.unwrap();
    assert_eq!(text(response).await, "2\n4\n6\n");
}

#[tokio::test]
async fn a_request_that_cannot_be_read_amid_both_streams_ends_the_replies() {
    let ends = Ends::default();
    let server = Server::bidi(service_fn(double), reader(), lines()).finally(ends.hook());
    let body = text(server.oneshot(post("1\nx\n3\n")).await.unwrap()).await;
    assert!(body.starts_with("2\n{\"error\":{"), "{body}");
    assert!(body.contains("cannot read line 2: ") && body.contains("\"status\":400"), "{body}");
    let end = ends.one();
    assert_eq!(end.outcome, Outcome::Failed(Kind::InvalidArgument));
}

#[tokio::test]
async fn requests_that_nobody_asks_for_stay_with_the_peer() {
    let (send, frames) = mpsc::channel::<Result<Frame<Bytes>, BoxError>>(1);
    let request = Request::new(StreamBody::new(ReceiverStream::new(frames)));
    let server = Server::bidi(service_fn(double), reader(), lines());
    let mut body = server.oneshot(request).await.unwrap().into_body();
    send.try_send(Ok(Frame::data("1\n2\n".into()))).unwrap();
    assert!(send.try_send(Ok(Frame::data("3\n".into()))).is_err(), "it was read unasked");
    assert_eq!(frame(&mut body).await, "2\n");
    send.try_send(Ok(Frame::data("3\n".into()))).unwrap();
    assert_eq!(frame(&mut body).await, "4\n");
    assert!(send.try_send(Ok(Frame::data("4\n".into()))).is_err(), "it was read unasked");
}

#[test]
fn errors_are_errors() {
    fn is<T: error::Error + Send + Sync + 'static>() {}
    is::<ReadError>();
    is::<sse::WriteError<Error>>();
}
