//! The client of streams over a service: no sockets.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]
#![cfg(all(feature = "json-lines", feature = "sse"))]

use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use kit_endpoint::{DeadlineLayer, Details, Fault, Kind};
use kit_transport::{End, Outcome, hook::Faults};
use kit_transport_http::{
    CallError, Server, StreamClient, json, json_lines,
    sse::{self, Event},
};
use std::{
    convert::Infallible,
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{sync::mpsc, time::Instant};
use tokio_stream::{StreamExt, wrappers::UnboundedReceiverStream};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};

type Kit<T> = kit_endpoint::Request<T>;
type Sent = Request<Full<Bytes>>;
type Encoded = Result<Request<Bytes>, kit_transport_http::EncodeError>;

#[derive(Debug, thiserror::Error)]
#[error("there is no {0}")]
struct Missing(u32);

impl Fault for Missing {
    fn kind(&self) -> Kind {
        Kind::NotFound
    }

    fn retry_after(&self) -> Option<Duration> {
        Some(Duration::from_millis(1500))
    }

    fn describe(&self, details: &mut Details) {
        details.violation("number", "too large");
    }
}

/// Collects how calls ended, and of which faults hooks heard.
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
            faults.lock().unwrap().push(failed.phase.to_string());
        })
    }

    fn none(&self) {
        assert!(self.0.lock().unwrap().is_empty(), "the call is over too early");
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

fn post() -> impl Fn(&u32) -> Encoded + Clone {
    json::request(Method::POST, Uri::from_static("http://counter.example/count"))
}

fn lines() -> json_lines::Replies<u32> {
    json_lines::Replies::new()
}

/// Counts to the message, which is the last number, or missing at 3.
async fn count(
    request: Kit<u32>,
) -> Result<impl tokio_stream::Stream<Item = Result<u32, Missing>>, Missing> {
    match request.into_message() {
        404 => Err(Missing(404)),
        to => Ok(tokio_stream::iter(
            (0..to).map(|at| if at == 3 { Err(Missing(at)) } else { Ok(at) }),
        )),
    }
}

type Chunks = mpsc::UnboundedSender<Result<Frame<Bytes>, BoxError>>;

/// A server of one call, whose reply is what is sent.
fn sending(
    status: u16,
    content_type: &'static str,
) -> (
    Chunks,
    impl Service<
        Sent,
        Response = Response<UnsyncBoxBody<Bytes, BoxError>>,
        Error = Infallible,
        Future: Send,
    > + Clone,
) {
    let (send, frames) = mpsc::unbounded_channel();
    let frames = Arc::new(Mutex::new(Some(frames)));
    let server = service_fn(move |_: Sent| {
        let frames = frames.lock().unwrap().take().expect("it is called once");
        async move {
            let body = StreamBody::new(UnboundedReceiverStream::new(frames)).boxed_unsync();
            let head = Response::builder().status(status).header("content-type", content_type);
            Ok(head.body(body).unwrap())
        }
    });
    (send, server)
}

fn send(chunks: &Chunks, chunk: &'static str) {
    chunks.send(Ok(Frame::data(chunk.into()))).unwrap();
}

#[tokio::test]
async fn a_client_and_a_server_of_ours_understand_each_other() {
    let ends = Ends::default();
    let server =
        Server::server_streaming(service_fn(count), json::decode, json_lines::Writer::new());
    let client = StreamClient::new(server, post(), lines()).finally(ends.hook());
    let replies = client.oneshot(Kit::new(3)).await.unwrap();
    ends.none();
    assert_eq!(replies.collect::<Result<Vec<_>, _>>().await.unwrap(), [0, 1, 2]);
    let end = ends.one();
    assert_eq!((end.outcome, end.sent, end.received), (Outcome::Replied, 1, 6));
    assert_eq!(end.status.unwrap(), 200);

    let server =
        Server::server_streaming(service_fn(count), json::decode, sse::Writer::new(sse::json));
    let client = StreamClient::new(server, post(), sse::Reader::new(sse::from_json::<u32>));
    let replies = client.oneshot(Kit::new(3)).await.unwrap();
    assert_eq!(replies.collect::<Result<Vec<_>, _>>().await.unwrap(), [0, 1, 2]);
}

#[tokio::test]
async fn a_fault_amid_the_stream_is_as_typed_as_one_before_it() {
    fn is_missing(error: &CallError, at: &str) {
        let CallError::Rejected(rejection) = error else { panic!("{error:?}") };
        assert_eq!((rejection.status.as_u16(), rejection.kind), (404, Kind::NotFound));
        assert_eq!(rejection.detail.as_deref(), Some(at));
    }
    let server =
        Server::server_streaming(service_fn(count), json::decode, json_lines::Writer::new());
    let ends = Ends::default();
    let client = StreamClient::new(server, post(), lines()).hook(ends.faults());
    let client = client.finally(ends.hook());
    is_missing(&client.clone().oneshot(Kit::new(404)).await.unwrap_err(), "there is no 404");
    assert_eq!(ends.0.lock().unwrap().drain(..).count(), 1);
    let mut replies = client.oneshot(Kit::new(9)).await.unwrap();
    for number in 0..3 {
        assert_eq!(replies.next().await.unwrap().unwrap(), number);
    }
    let error = replies.next().await.unwrap().unwrap_err();
    is_missing(&error, "there is no 3");
    assert_eq!(error.retry_after(), Some(Duration::from_millis(1500)));
    assert!(replies.next().await.is_none());
    assert_eq!(ends.one().outcome, Outcome::Failed(Kind::NotFound));
    assert_eq!(ends.heard(), ["endpoint", "endpoint"]);

    let server =
        Server::server_streaming(service_fn(count), json::decode, sse::Writer::new(sse::json));
    let client = StreamClient::new(server, post(), sse::Reader::new(sse::event));
    let replies: Vec<_> = client.oneshot(Kit::new(9)).await.unwrap().collect().await;
    assert_eq!(replies.len(), 4);
    assert_eq!(replies[0].as_ref().unwrap(), &Event::new("0"));
    is_missing(replies[3].as_ref().unwrap_err(), "there is no 3");
    assert_eq!(replies[3].as_ref().unwrap_err().retry_after(), Some(Duration::from_millis(1500)));
}

#[tokio::test]
async fn a_stream_that_is_cut_is_told_from_one_that_is_whole() {
    for cut in [true, false] {
        let ends = Ends::default();
        let (chunks, server) = sending(200, "application/jsonl");
        let client = StreamClient::new(server, post(), lines());
        let client = client.hook(ends.faults()).finally(ends.hook());
        let mut replies = client.oneshot(Kit::new(0)).await.unwrap();
        send(&chunks, "1\n");
        assert_eq!(replies.next().await.unwrap().unwrap(), 1);
        if cut {
            chunks.send(Err("reset".into())).unwrap();
            let error = replies.next().await.unwrap().unwrap_err();
            assert!(matches!(error, CallError::Body(_)), "{error:?}");
            assert_eq!(ends.heard(), ["send"]);
        }
        drop(chunks);
        assert!(replies.next().await.is_none());
        let outcome = if cut { Outcome::Failed(Kind::Unavailable) } else { Outcome::Replied };
        assert_eq!(ends.one().outcome, outcome);
    }
}

#[tokio::test]
async fn an_item_is_there_as_soon_as_it_has_come() {
    let (chunks, server) = sending(200, "text/event-stream; charset=utf-8");
    let client = StreamClient::new(server, post(), sse::Reader::new(sse::from_json::<u32>));
    let mut replies = client.oneshot(Kit::new(0)).await.unwrap();
    let mut next = task::spawn(replies.next());
    assert_pending!(next.poll());
    for chunk in [": comment\n\n", "dat", "a: 7", "\n"] {
        send(&chunks, chunk);
        assert!(next.is_woken());
        assert_pending!(next.poll());
    }
    send(&chunks, "\n");
    assert_eq!(assert_ready!(next.poll()).unwrap().unwrap(), 7);
}

#[tokio::test]
async fn dropped_it_gives_up_the_call() {
    let ends = Ends::default();
    let (chunks, server) = sending(200, "application/x-ndjson");
    let client = StreamClient::new(server, post(), lines()).finally(ends.hook());
    let mut replies = client.oneshot(Kit::new(0)).await.unwrap();
    send(&chunks, "1\n2");
    replies.next().await.unwrap().unwrap();
    assert!(!chunks.is_closed());
    drop(replies);
    assert!(chunks.is_closed());
    let end = ends.one();
    assert_eq!((end.outcome, end.received), (Outcome::Cancelled, 3));
}

#[tokio::test]
async fn after_an_error_the_call_is_given_up_at_once() {
    for bad in ["x\n", "{\"error\":\"over\"}\n", "                \n"] {
        let (chunks, server) = sending(200, "application/jsonl");
        let client = StreamClient::new(server, post(), lines().line_limit(12 + bad.len() / 3));
        let mut replies = client.oneshot(Kit::new(0)).await.unwrap();
        send(&chunks, bad);
        if bad.trim().is_empty() {
            send(&chunks, "123456789012345678901234567890");
        }
        replies.next().await.unwrap().unwrap_err();
        assert!(chunks.is_closed(), "{bad}");
        assert!(replies.next().await.is_none());
    }
}

#[tokio::test]
async fn an_item_that_cannot_be_read_names_its_line() {
    let ends = Ends::default();
    let (chunks, server) = sending(200, "application/jsonl");
    let client = StreamClient::new(server, post(), lines()).hook(ends.faults());
    send(&chunks, "1\n\"2\"\n");
    let mut replies = client.oneshot(Kit::new(0)).await.unwrap();
    replies.next().await.unwrap().unwrap();
    let error = replies.next().await.unwrap().unwrap_err();
    let CallError::Decode(fault) = &error else { panic!("{error:?}") };
    assert!(fault.to_string().starts_with("cannot read line 2: "), "{fault}");
    assert_eq!(error.kind(), Kind::Internal);
    assert_eq!(ends.heard(), ["decode"]);
}

#[tokio::test]
async fn a_reply_of_another_type_is_an_error() {
    let ends = Ends::default();
    let (chunks, server) = sending(200, "text/html");
    let client = StreamClient::new(server, post(), lines()).finally(ends.hook());
    let error = client.oneshot(Kit::new(0)).await.unwrap_err();
    assert!(matches!(error, CallError::Decode(_)), "{error:?}");
    assert!(chunks.is_closed());
    assert_eq!(ends.one().outcome, Outcome::Failed(Kind::Internal));
    let (_chunks, server) = sending(200, "application/jsonl");
    let client = StreamClient::new(server, post(), sse::Reader::new(sse::event));
    assert!(matches!(client.oneshot(Kit::new(0)).await, Err(CallError::Decode(_))));
}

#[tokio::test]
async fn a_failure_has_a_limit_and_a_stream_has_none() {
    let (chunks, server) = sending(500, "text/plain");
    let client = StreamClient::new(server, post(), lines()).failure_limit(4);
    send(&chunks, "12345");
    let error = client.oneshot(Kit::new(0)).await.unwrap_err();
    let CallError::Rejected(rejection) = error else { panic!("{error:?}") };
    assert_eq!(rejection.status, 500);
    assert!(chunks.is_closed());
    let (chunks, server) = sending(200, "application/jsonl");
    let client = StreamClient::new(server, post(), lines()).failure_limit(4);
    send(&chunks, "1\n2\n3\n4\n");
    drop(chunks);
    assert_eq!(client.oneshot(Kit::new(0)).await.unwrap().collect::<Vec<_>>().await.len(), 4);
}

#[tokio::test]
async fn a_failure_keeps_its_status_whatever_becomes_of_its_body() {
    for (parts, received) in [(&["12", "345"][..], 5), (&["12"], 2)] {
        let ends = Ends::default();
        let (chunks, server) = sending(429, "application/problem+json");
        let client = StreamClient::new(server, post(), lines()).failure_limit(4);
        let client = client.hook(ends.faults()).finally(ends.hook());
        for part in parts {
            send(&chunks, part);
        }
        chunks.send(Err("reset".into())).unwrap();
        let error = client.oneshot(Kit::new(0)).await.unwrap_err();
        let CallError::Rejected(rejection) = &error else { panic!("{error:?}") };
        assert_eq!(rejection.status, 429);
        let end = ends.one();
        assert_eq!(end.outcome, Outcome::Failed(Kind::ResourceExhausted));
        assert_eq!((end.status.unwrap().as_u16(), end.received), (429, received));
        assert_eq!(ends.heard(), ["endpoint"]);
    }
}

#[tokio::test]
async fn it_asks_for_what_it_reads_unless_told_otherwise() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let look = Arc::clone(&seen);
    let server = service_fn(move |request: Sent| {
        let header =
            |name| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        look.lock().unwrap().push((header("accept"), header("x-request-timeout-ms").is_some()));
        async move { Err::<Response<Full<Bytes>>, BoxError>("closed".into()) }
    });
    let deadline = Instant::now() + Duration::from_secs(9);
    let client = StreamClient::new(server.clone(), post(), lines());
    let error = client.oneshot(Kit::new(0).within(deadline)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    let accepting = |message: &u32| {
        let mut request = post()(message)?;
        request.headers_mut().insert("accept", "application/jsonl".parse().unwrap());
        Encoded::Ok(request)
    };
    StreamClient::new(server, accepting, lines()).oneshot(Kit::new(0)).await.unwrap_err();
    let both = Some("application/jsonl, application/x-ndjson".to_owned());
    let one = Some("application/jsonl".to_owned());
    assert_eq!(*seen.lock().unwrap(), [(both, true), (one, false)]);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_layer_around_it_bounds_the_stream_too() {
    let ends = Ends::default();
    let (chunks, server) = sending(200, "application/jsonl");
    let client = StreamClient::new(server, post(), lines()).finally(ends.hook());
    let layer = DeadlineLayer::of_request().streaming();
    let start = Instant::now();
    let request = Kit::new(0).within(start + Duration::from_secs(2));
    let mut replies = pin!(layer.layer(client).oneshot(request).await.unwrap());
    send(&chunks, "1\n");
    assert_eq!(replies.next().await.unwrap().unwrap(), 1);
    let error = replies.next().await.unwrap().unwrap_err();
    assert!(matches!(error, CallError::Expired(_)), "{error:?}");
    assert_eq!(start.elapsed().as_secs(), 2);
    assert!(chunks.is_closed());
    assert_eq!(ends.one().outcome, Outcome::Cancelled);
}
