//! The streaming shapes, server: endpoints of streams inside the layer.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use kit_endpoint::{CatchPanicLayer, DeadlineLayer, Expired, Fault, Kind, Panicked, Request};
use kit_transport::Outcome;
use kit_transport_grpc::{GrpcLayer, Server, server::ReadError, status};
use prost::Message;
use std::{
    convert::Infallible,
    fmt,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use support::{
    Ends, Seen, Wrong, call_of, decode, encode, frame,
    pb::{GreetingRequest, GreetingResponse},
    seen,
    streams::{CHAT, GATHER, GREETINGS, Methods, StreamsServer},
};
use tokio::{sync::mpsc, time::advance};
use tokio_stream::{Stream, StreamExt, wrappers::UnboundedReceiverStream};
use tokio_test::{assert_pending, assert_ready, task};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tower::{Layer, ServiceExt, service_fn};

type Decode = fn(GreetingRequest) -> Result<String, Infallible>;
const DECODE: Decode = decode;

/// The fault of these endpoints: what they say, or what they could not read.
#[derive(Debug)]
enum Failed {
    Wrong(Wrong),
    Read(ReadError),
    Expired(Expired),
    Panicked(Panicked),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.inner().unwrap())
    }
}

impl std::error::Error for Failed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.inner().unwrap().source()
    }
}

impl Fault for Failed {
    fn inner(&self) -> Option<&dyn Fault> {
        Some(match self {
            Self::Wrong(wrong) => wrong,
            Self::Read(read) => read,
            Self::Expired(expired) => expired,
            Self::Panicked(panicked) => panicked,
        })
    }
}

impl From<ReadError> for Failed {
    fn from(read: ReadError) -> Self {
        Self::Read(read)
    }
}

impl From<Expired> for Failed {
    fn from(expired: Expired) -> Self {
        Self::Expired(expired)
    }
}

impl From<Panicked> for Failed {
    fn from(panicked: Panicked) -> Self {
        Self::Panicked(panicked)
    }
}

/// Greets each letter of the name; `!` is a fault.
async fn greetings(
    request: Request<String>,
) -> Result<impl Stream<Item = Result<String, Failed>>, Failed> {
    let name = request.into_message();
    if name.is_empty() {
        return Err(Failed::Wrong(Wrong::new(Kind::InvalidArgument)));
    }
    let letters: Vec<char> = name.chars().collect();
    Ok(tokio_stream::iter(letters).map(|letter| match letter {
        '!' => {
            let mut wrong = Wrong::new(Kind::PayloadTooLarge);
            wrong.retry_after = Some(Duration::from_secs(7));
            Err(Failed::Wrong(wrong))
        }
        letter => Ok(format!("Hello, {letter}")),
    }))
}

async fn gather(
    request: Request<impl Stream<Item = Result<String, ReadError>>>,
) -> Result<String, Failed> {
    let mut names = pin!(request.into_message());
    let mut all = Vec::new();
    while let Some(name) = names.try_next().await? {
        all.push(name);
    }
    Ok(format!("Hello, {}!", all.join(" and ")))
}

async fn chat<St>(
    request: Request<St>,
) -> Result<impl Stream<Item = Result<String, Failed>> + use<St>, Failed>
where
    St: Stream<Item = Result<String, ReadError>>,
{
    Ok(request.into_message().map(|name| Ok(format!("Hello, {}", name?))))
}

/// A server whose `Greetings` is `greetings`.
fn greeter<G>(
    greetings: G,
) -> StreamsServer<
    Methods<
        G,
        impl kit_transport_grpc::ClientStreaming<GreetingRequest, GreetingResponse>,
        impl kit_transport_grpc::Bidi<GreetingRequest, GreetingResponse>,
    >,
> {
    StreamsServer::new(Methods {
        greetings,
        gather: Server::client_streaming(service_fn(gather), DECODE, encode),
        chat: Server::bidi(service_fn(chat), DECODE, encode),
    })
}

fn call(path: &str, names: &[&str]) -> http::Request<Full<Bytes>> {
    let mut body = BytesMut::new();
    for name in names {
        body.extend_from_slice(&frame(&GreetingRequest { name: (*name).to_owned() }));
    }
    call_of(path).map(|_| Full::new(body.freeze()))
}

fn messages(mut body: &[u8]) -> Vec<String> {
    let mut all = Vec::new();
    while let Some((head, rest)) = body.split_at_checked(5) {
        let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
        let (message, rest) = rest.split_at(length);
        all.push(GreetingResponse::decode(message).unwrap().greeting);
        body = rest;
    }
    all
}

/// What a client sees of a call inside the layer, and how it ended there.
async fn ask(request: http::Request<Full<Bytes>>) -> (Seen, kit_transport::End) {
    let ends = Ends::default();
    let service = GrpcLayer::new()
        .finally(ends.finally())
        .layer(greeter(Server::server_streaming(service_fn(greetings), DECODE, encode)));
    let reply = seen(service.oneshot(request).await.unwrap()).await;
    (reply, ends.one())
}

// ===== shapes =====

#[tokio::test]
async fn a_stream_of_replies_is_sent_item_by_item() {
    let (reply, end) = ask(call(GREETINGS, &["Ada"])).await;
    assert_eq!(messages(&reply.body), ["Hello, A", "Hello, d", "Hello, a"]);
    assert_eq!(reply.status().code(), Code::Ok);
    assert_eq!(end.outcome, Outcome::Replied);
}

#[tokio::test]
async fn a_stream_of_requests_is_read_item_by_item() {
    let (reply, end) = ask(call(GATHER, &["Ada", "Bob"])).await;
    assert_eq!(messages(&reply.body), ["Hello, Ada and Bob!"]);
    assert_eq!(end.outcome, Outcome::Replied);
}

#[tokio::test]
async fn no_requests_are_a_stream_too() {
    let (reply, _) = ask(call(GATHER, &[])).await;
    assert_eq!(messages(&reply.body), ["Hello, !"]);
}

#[tokio::test]
async fn streams_go_both_ways() {
    let (reply, end) = ask(call(CHAT, &["Ada", "Bob"])).await;
    assert_eq!(messages(&reply.body), ["Hello, Ada", "Hello, Bob"]);
    assert_eq!(end.outcome, Outcome::Replied);
}

#[tokio::test]
async fn a_reply_goes_out_before_the_next_request_has_come() {
    let (names, requests) = mpsc::unbounded_channel::<Result<http_body::Frame<Bytes>, Status>>();
    let body = http_body_util::StreamBody::new(UnboundedReceiverStream::new(requests));
    let send = |name: &str| {
        let message = frame(&GreetingRequest { name: name.to_owned() });
        names.send(Ok(http_body::Frame::data(message))).unwrap();
    };
    let server = greeter(Server::server_streaming(service_fn(greetings), DECODE, encode));
    let service = GrpcLayer::new().layer(server);
    let response = service.oneshot(call_of(CHAT).map(|_| body)).await.unwrap();
    let mut body = pin!(response.into_body());
    for name in ["Ada", "Bob"] {
        assert_pending!(task::spawn(body.frame()).poll());
        send(name);
        let data = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(messages(&data), [format!("Hello, {name}")]);
    }
    drop(names);
    assert_eq!(body.frame().await.unwrap().unwrap().into_trailers().unwrap()["grpc-status"], "0");
}

// ===== faults =====

#[tokio::test]
async fn a_fault_before_the_stream_is_a_head_without_one() {
    let (reply, end) = ask(call(GREETINGS, &[""])).await;
    assert_eq!(reply.headers["grpc-status"], "3");
    assert_eq!(end.outcome, Outcome::Failed(Kind::InvalidArgument));
    assert_eq!(end.error.unwrap(), "the greeter is wrong: the password is 1234".into());
}

#[tokio::test]
async fn a_fault_amid_the_stream_is_the_trailing_status_with_all_its_details() {
    let (reply, end) = ask(call(GREETINGS, &["A!b"])).await;
    assert_eq!(messages(&reply.body), ["Hello, A"], "nothing goes out after the fault");
    let status = reply.status();
    assert_eq!(
        (status.code(), status.message()),
        (Code::ResourceExhausted, "the greeter is wrong")
    );
    let retry = status.get_details_retry_info().unwrap().retry_delay;
    assert_eq!(retry, Some(Duration::from_secs(7)));
    assert_eq!(kit_transport_grpc::kind(&status), Some(Kind::PayloadTooLarge));
    // The slot has what the wire has not.
    assert_eq!(end.outcome, Outcome::Failed(Kind::PayloadTooLarge));
    assert_eq!(end.error.unwrap(), "the greeter is wrong: the password is 1234".into());
}

#[tokio::test]
async fn a_panic_amid_the_stream_is_its_trailing_status_and_its_end() {
    let ends = Ends::default();
    let panics = service_fn(async |_: Request<String>| {
        Ok::<_, Failed>(tokio_stream::iter([true, false]).map(|well| {
            assert!(well, "the password is 1234");
            Ok::<_, Failed>("Hello".to_owned())
        }))
    });
    let panics = CatchPanicLayer::new().streaming().layer(panics);
    let server = greeter(Server::server_streaming(panics, DECODE, encode));
    let service = GrpcLayer::new().finally(ends.finally()).layer(server);
    let reply = seen(service.oneshot(call(GREETINGS, &["Ada"])).await.unwrap()).await;
    assert_eq!(messages(&reply.body), ["Hello"]);
    let status = reply.status();
    assert_eq!((status.code(), status.message()), (Code::Internal, "internal error"));
    let end = ends.one();
    assert_eq!(end.outcome, Outcome::Failed(Kind::Internal));
    assert_eq!(&*end.error.unwrap(), "the service panicked: the password is 1234");
}

#[tokio::test]
async fn an_item_that_cannot_be_encoded_ends_the_stream() {
    let refuse = |_: String| Err::<GreetingResponse, _>(Wrong::new(Kind::Internal));
    let server = greeter(Server::server_streaming(service_fn(greetings), DECODE, refuse));
    let reply = seen(server.oneshot(call(GREETINGS, &["Ada"])).await.unwrap()).await;
    assert_eq!(messages(&reply.body), [""; 0]);
    assert_eq!(
        (reply.status().code(), reply.status().message()),
        (Code::Internal, "internal error")
    );
}

#[tokio::test]
async fn faults_of_a_stream_can_be_answered_otherwise() {
    let server = Server::server_streaming(service_fn(greetings), DECODE, encode)
        .encode_error(|fault: &dyn Fault| Status::data_loss(fault.to_string()));
    let reply = seen(greeter(server).oneshot(call(GREETINGS, &["!"])).await.unwrap()).await;
    assert_eq!(reply.status().code(), Code::DataLoss);
}

#[tokio::test]
async fn a_request_that_the_codec_refuses_ends_the_requests_by_its_kind() {
    fn refuse(request: GreetingRequest) -> Result<String, Wrong> {
        match &*request.name {
            "" => Err(Wrong::new(Kind::OutOfRange)),
            _ => Ok(request.name),
        }
    }

    let decode: fn(GreetingRequest) -> Result<String, Wrong> = refuse;
    let server = StreamsServer::new(Methods {
        greetings: Server::server_streaming(service_fn(greetings), decode, encode),
        gather: Server::client_streaming(service_fn(gather), decode, encode),
        chat: Server::bidi(service_fn(chat), decode, encode),
    });
    let reply = seen(server.clone().oneshot(call(GATHER, &["A", ""])).await.unwrap()).await;
    assert_eq!(
        (reply.status().code(), reply.status().message()),
        (Code::OutOfRange, "the greeter is wrong")
    );
    let reply = seen(server.oneshot(call(CHAT, &["A", "", "B"])).await.unwrap()).await;
    assert_eq!(messages(&reply.body), ["Hello, A"]);
    assert_eq!(reply.status().code(), Code::OutOfRange);
}

#[tokio::test]
async fn requests_that_cannot_be_read_are_the_callers_fault() {
    let half =
        call(GATHER, &["Ada"]).map(|_| Full::new(Bytes::from_static(b"\0\0\0\0\x05\n\x03A")));
    let (reply, end) = ask(half).await;
    assert_eq!(reply.status().code(), Code::InvalidArgument);
    assert_eq!(end.outcome, Outcome::Failed(Kind::InvalidArgument));

    let (reply, end) = ask(call(CHAT, &["A", &"B".repeat(2000)])).await;
    assert_eq!(messages(&reply.body), ["Hello, A"]);
    assert_eq!(reply.status().code(), Code::ResourceExhausted);
    assert_eq!(end.outcome, Outcome::Failed(Kind::PayloadTooLarge));
}

#[tokio::test]
async fn a_peer_that_leaves_amid_its_requests_is_cancelled() {
    // As hyper says it, and as HTTP/2 does: tonic takes the latter for an end.
    for gone in [Status::unknown("gone"), Status::cancelled("h2: CANCEL")] {
        let message = frame(&GreetingRequest { name: "Ada".to_owned() });
        let frames = [Ok(http_body::Frame::data(message)), Err(gone)];
        let body = http_body_util::StreamBody::new(tokio_stream::iter(frames));
        let ends = Ends::default();
        let server = greeter(Server::server_streaming(service_fn(greetings), DECODE, encode));
        let service = GrpcLayer::new().finally(ends.finally()).layer(server);
        let reply = seen(service.oneshot(call_of(GATHER).map(|_| body)).await.unwrap()).await;
        assert_eq!(reply.status().code(), Code::Cancelled, "half is not taken for the whole");
        assert_eq!(ends.one().outcome.kind(), Some(Kind::Cancelled));
    }
}

// ===== cancelled and late =====

/// Says when it is dropped.
#[derive(Clone)]
struct Held(Arc<AtomicBool>);

struct Dropped(Held);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// Replies once, and then never again; `held` learns of the end.
fn endless(
    held: Held,
) -> impl kit_endpoint::Endpoint<
    String,
    Response = impl Stream<Item = Result<String, Failed>> + Send,
    Error = Failed,
> {
    service_fn(move |_: Request<String>| {
        let dropped = Dropped(held.clone());
        async move {
            let once = tokio_stream::once(Ok(String::from("Hello")));
            Ok(once.chain(tokio_stream::pending()).map(move |item| {
                let _ = &dropped;
                item
            }))
        }
    })
}

#[tokio::test]
async fn a_dropped_call_drops_the_stream_of_its_endpoint() {
    let held = Held(Arc::default());
    let ends = Ends::default();
    let server = Server::server_streaming(endless(held.clone()), DECODE, encode);
    let service = GrpcLayer::new().finally(ends.finally()).layer(greeter(server));
    let response = service.oneshot(call(GREETINGS, &["Ada"])).await.unwrap();
    let mut body = Box::pin(response.into_body());
    body.frame().await.unwrap().unwrap();
    assert_pending!(task::spawn(body.frame()).poll());
    assert!(!held.0.load(Ordering::Relaxed));
    drop(body);
    assert!(held.0.load(Ordering::Relaxed), "the endpoint works on for nobody");
    assert_eq!(ends.one().outcome, Outcome::Cancelled);
}

/// Asserts that the rest of `body` is trailers of `DEADLINE_EXCEEDED`.
fn assert_late<B: Body<Data = Bytes, Error: fmt::Debug>>(body: std::pin::Pin<&mut B>) {
    let mut body = body;
    let end = assert_ready!(task::spawn(body.frame()).poll()).unwrap().unwrap();
    assert_eq!(end.into_trailers().unwrap()["grpc-status"], "4");
}

#[tokio::test(start_paused = true)]
async fn the_callers_deadline_ends_a_stream() {
    let held = Held(Arc::default());
    let ends = Ends::default();
    let server = Server::server_streaming(endless(held.clone()), DECODE, encode);
    let service = GrpcLayer::new().finally(ends.finally()).layer(greeter(server));
    let mut request = call(GREETINGS, &["Ada"]);
    request.headers_mut().insert("grpc-timeout", "50m".parse().unwrap());
    let mut body = pin!(service.oneshot(request).await.unwrap().into_body());
    body.frame().await.unwrap().unwrap();
    assert_pending!(task::spawn(body.frame()).poll());
    advance(Duration::from_millis(51)).await;
    assert_late(body.as_mut());
    assert!(held.0.load(Ordering::Relaxed));
    assert_eq!(ends.one().outcome, Outcome::Failed(Kind::DeadlineExceeded));
}

#[tokio::test(start_paused = true)]
async fn the_layers_deadline_of_a_stream_is_the_same_to_the_caller() {
    // The server's own limit; then both at once.
    for (timeout, limit) in [(None, 50), (Some("50m"), 50), (Some("1S"), 50), (Some("50m"), 1000)] {
        let held = Held(Arc::default());
        let ends = Ends::default();
        let endpoint = DeadlineLayer::of_request()
            .default(Duration::from_millis(limit))
            .streaming()
            .layer(endless(held.clone()));
        let server = Server::server_streaming(endpoint, DECODE, encode);
        let service = GrpcLayer::new().finally(ends.finally()).layer(greeter(server));
        let mut request = call(GREETINGS, &["Ada"]);
        if let Some(timeout) = timeout {
            request.headers_mut().insert("grpc-timeout", timeout.parse().unwrap());
        }
        let mut body = pin!(service.oneshot(request).await.unwrap().into_body());
        body.frame().await.unwrap().unwrap();
        assert_pending!(task::spawn(body.frame()).poll());
        advance(Duration::from_millis(51)).await;
        assert_late(body.as_mut());
        assert!(held.0.load(Ordering::Relaxed));
        assert_eq!(ends.one().outcome, Outcome::Failed(Kind::DeadlineExceeded));
    }
}

#[test]
fn what_passes_on_the_callers_fault_shows_it() {
    let error = ReadError::Read(Status::internal("Unexpected EOF decoding stream."));
    assert_eq!(status(&error).code(), Code::InvalidArgument);
    let error = ReadError::Decode(Box::new(Wrong::new(Kind::NotFound)));
    assert_eq!((error.kind(), error.to_string()), (Kind::NotFound, "the greeter is wrong".into()));
}
