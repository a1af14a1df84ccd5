//! Hooks at a client: the head, each failure with its step, and the end, once.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use kit_endpoint::{Carries, Fault, Kind, Request};
use kit_transport::{Call, Outcome, Protocol, RequestId};
use kit_transport_grpc::{Client, Server};
use std::{
    convert::Infallible,
    future::{pending, ready},
    io,
    sync::{Arc, Mutex},
    time::Duration,
};
use support::{
    Ends, Heard, PATH, Wrong, frame, hello,
    pb::{GreetingRequest, GreetingResponse},
};
use tokio::{
    sync::mpsc,
    time::{Instant, advance},
};
use tokio_stream::{Stream, StreamExt, wrappers::UnboundedReceiverStream};
use tokio_test::{assert_pending, assert_ready, task};
use tonic::{Status, body::Body};
use tower::{Service, ServiceExt, service_fn};

type Sent = http::Request<Body>;

/// A frame's five bytes, a tag, a length, and `Ada`.
const ADA: u64 = 10;
/// The same of `Hello, Ada!`.
const GREETING: u64 = 18;

fn encode(name: String) -> Result<GreetingRequest, Infallible> {
    Ok(GreetingRequest { name })
}

fn decode(reply: GreetingResponse) -> Result<String, Infallible> {
    Ok(reply.greeting)
}

fn ada() -> Request<String> {
    Request::new("Ada".to_owned())
}

/// A reply whose frames the test sends.
type Frames = mpsc::UnboundedSender<Result<Frame<Bytes>, io::Error>>;

/// A service whose one reply has the frames that are sent to it. It takes the
/// whole request first.
fn streaming()
-> (Frames, impl Service<Sent, Response = Response<Body>, Error = Infallible, Future: Send> + Clone)
{
    let (frames, body) = mpsc::unbounded_channel();
    let body = Arc::new(Mutex::new(Some(body)));
    let service = service_fn(move |request: Sent| {
        let body = body.lock().unwrap().take().unwrap();
        async move {
            support::seen(Response::new(request.into_body())).await;
            let mut reply =
                Response::new(Body::new(StreamBody::new(UnboundedReceiverStream::new(body))));
            reply.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
            Ok(reply)
        }
    });
    (frames, service)
}

fn message() -> Frame<Bytes> {
    Frame::data(frame(&GreetingResponse { greeting: "Hello, Ada!".to_owned() }))
}

fn trailers(status: &'static str) -> Frame<Bytes> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", status.parse().unwrap());
    Frame::trailers(trailers)
}

#[tokio::test]
async fn hooks_see_the_call_its_reply_and_its_end() {
    let (ends, heard) = (Ends::default(), Heard::default());
    let server = Server::new(service_fn(hello), support::decode, support::encode);
    let server = server.map_request(|request: Sent| {
        assert_eq!(request.headers()["x-request-id"], "abc-1", "what a hook puts there travels");
        request
    });
    let client = Client::new(server, PATH, encode, decode)
        .metadata(|_, headers| {
            headers.insert("x-tenant", "blue".parse().unwrap());
        })
        .before(|call: &Call<'_>, extensions| {
            assert_eq!(call.protocol, Protocol::Grpc);
            assert_eq!(call.method, "greeter.v1.Greeter/Greeting");
            assert_eq!(call.headers["x-tenant"], "blue");
            extensions.insert(RequestId::new(&"abc-1".parse().unwrap()).unwrap());
        })
        .after(|headers| assert_eq!(headers["content-type"], "application/grpc"))
        .hook(heard.hook())
        .finally(ends.finally());
    assert_eq!(client.oneshot(ada()).await.unwrap(), "Hello, Ada!");
    let end = ends.one();
    assert_eq!((end.outcome, end.status), (Outcome::Replied, Some(StatusCode::OK)));
    assert_eq!((end.sent, end.received), (ADA, GREETING));
    assert!(end.error.is_none());
    assert!(heard.take().is_empty(), "nothing failed");
}

#[tokio::test(start_paused = true)]
async fn each_step_is_heard_with_its_sources() {
    let (ends, heard) = (Ends::default(), Heard::default());
    let server = service_fn(|request: Sent| async move {
        let seen = support::seen(Response::new(request.into_body())).await;
        let headers = |frames: Vec<Frame<Bytes>>| {
            let frames = frames.into_iter().map(Ok::<_, Status>);
            let mut reply = Response::new(Body::new(StreamBody::new(tokio_stream::iter(frames))));
            reply.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
            reply
        };
        match &seen.body[7..] {
            b"send" => Err(io::Error::other("connection refused")),
            b"reject" => Ok(kit_transport_grpc::status(&Wrong::new(Kind::NotFound)).into_http()),
            b"trailer" => Ok(headers(vec![message(), trailers("14")])),
            b"bytes" => {
                let garbage = Bytes::from_static(b"\0\0\0\0\x02\xff\xff");
                Ok(headers(vec![Frame::data(garbage), trailers("0")]))
            }
            b"nothing" => Ok(headers(vec![trailers("0")])),
            _ => Ok(headers(vec![message(), trailers("0")])),
        }
    });
    let encode = |name: String| match &*name {
        "encode" => Err(Wrong::new(Kind::InvalidArgument)),
        _ => Ok(GreetingRequest { name }),
    };
    let decode = |_: GreetingResponse| Err::<String, _>(Wrong::new(Kind::InvalidArgument));
    for (step, line) in [
        ("encode", "encode: cannot encode the request: the greeter is wrong: the password"),
        ("send", "send: cannot reach the service: connection refused"),
        ("reject", "endpoint: the service answered NOT_FOUND: the greeter is wrong"),
        ("trailer", "endpoint: the service answered UNAVAILABLE"),
        ("bytes", "decode: the service answered INTERNAL: failed to decode Protobuf message"),
        ("nothing", "decode: the service answered INTERNAL: the reply has no message"),
        ("late", "send: "),
        ("decode", "decode: the reply is not what was asked for: the greeter is wrong: the pass"),
    ] {
        let client = Client::new(server, PATH, encode, decode);
        let client = client.hook(heard.hook()).finally(ends.finally());
        let mut request = Request::new(step.to_owned());
        if step == "late" {
            request.bring_forward(Instant::now());
        }
        let error = client.oneshot(request).await.unwrap_err();
        let lines = heard.take();
        assert_eq!(lines.len(), 1, "{lines:?}");
        let line = format!("grpc greeter.v1.Greeter/Greeting {line}");
        assert!(lines[0].starts_with(&line), "{lines:?}");
        assert_eq!(ends.outcomes().last(), Some(&Outcome::Failed(error.kind())), "{step}");
    }
    assert_eq!(ends.count(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_too_long_broke_off() {
    let (ends, heard) = (Ends::default(), Heard::default());
    let silent = service_fn(|_: Sent| pending::<Result<Response<Body>, Infallible>>());
    let client = Client::new(silent, PATH, encode, decode);
    let mut client = client.hook(heard.hook()).finally(ends.finally());
    let request = ada().within(Instant::now() + Duration::from_secs(1));
    let mut call = task::spawn(client.call(request));
    assert_pending!(call.poll());
    advance(Duration::from_secs(1)).await;
    assert_ready!(call.poll()).unwrap_err();
    let end = ends.one();
    assert_eq!((end.outcome, end.status), (Outcome::Failed(Kind::DeadlineExceeded), None));
    assert_eq!(end.duration, Duration::from_secs(1));
    assert!(heard.take()[0].contains(" send: "));
}

#[tokio::test]
async fn a_dropped_call_is_cancelled_wherever_it_stood() {
    let ends = Ends::default();
    let silent = service_fn(|_: Sent| pending::<Result<Response<Body>, Infallible>>());
    let mut client = Client::new(silent, PATH, encode, decode).finally(ends.finally());
    let mut call = task::spawn(client.call(ada()));
    assert_pending!(call.poll());
    assert_eq!(ends.count(), 0);
    drop(call);
    let end = ends.one();
    assert_eq!((end.outcome, end.status), (Outcome::Cancelled, None));
    assert_eq!((end.sent, end.received), (0, 0));

    let ends = Ends::default();
    let (frames, server) = streaming();
    let mut client = Client::new(server, PATH, encode, decode).finally(ends.finally());
    let mut call = task::spawn(client.call(ada()));
    frames.send(Ok(message())).unwrap();
    assert_pending!(call.poll());
    assert_eq!(ends.count(), 0);
    drop(call);
    let end = ends.one();
    assert_eq!((end.outcome, end.status), (Outcome::Cancelled, Some(StatusCode::OK)));
    assert_eq!((end.sent, end.received), (ADA, GREETING));
}

#[tokio::test]
async fn a_panic_while_decoding_is_an_end() {
    let ends = Ends::default();
    let server = Server::new(service_fn(hello), support::decode, support::encode);
    let decode = |_: GreetingResponse| -> Result<(), Infallible> { panic!("out of cheese") };
    let client = Client::new(server, PATH, encode, decode).finally(ends.finally());
    let mut call = task::spawn(client.oneshot(ada()));
    let poll = std::panic::AssertUnwindSafe(move || drop(call.poll()));
    assert!(std::panic::catch_unwind(poll).is_err());
    assert_eq!(ends.one().outcome, Outcome::Failed(Kind::Internal));
}

#[tokio::test]
async fn so_is_one_that_is_caught_further_out() {
    for step in ["service", "decode", "replies"] {
        let ends = Ends::default();
        let server = Server::new(service_fn(hello), support::decode, support::encode);
        let service = service_fn(move |call: Sent| {
            let server = server.clone();
            async move {
                assert_ne!(step, "service", "out of cheese");
                server.oneshot(call).await
            }
        });
        let decode = move |reply: GreetingResponse| {
            assert_eq!(step, "service", "out of cheese");
            Ok::<_, Infallible>(reply.greeting)
        };
        let catch = |poll: &mut dyn FnMut()| {
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(poll)).unwrap_err();
        };
        if step == "replies" {
            let client = Client::server_streaming(service, PATH, encode, decode);
            let mut replies = client.finally(ends.finally()).oneshot(ada()).await.unwrap();
            catch(&mut || drop(task::spawn(replies.next()).poll()));
            drop(replies);
        } else {
            let client = Client::new(service, PATH, encode, decode).finally(ends.finally());
            let mut call = task::spawn(client.oneshot(ada()));
            catch(&mut || drop(call.poll()));
            drop(call);
        }
        let end = ends.one();
        assert_eq!(end.outcome, Outcome::Failed(Kind::Internal), "{step}");
        assert_eq!(end.error.as_deref(), Some("the handler panicked"));
    }
}

// ===== streams =====

/// What becomes of a stream of two replies and then of `last`, or of what is
/// dropped if there is none.
async fn stream_of(last: Option<Result<Frame<Bytes>, io::Error>>) -> (Ends, Heard) {
    let (ends, heard) = (Ends::default(), Heard::default());
    let (frames, server) = streaming();
    let client = Client::server_streaming(server, PATH, encode, decode);
    let client = client.hook(heard.hook()).finally(ends.finally());
    let mut replies = client.oneshot(ada()).await.unwrap();
    for _ in 0..2 {
        frames.send(Ok(message())).unwrap();
        assert_eq!(replies.next().await.unwrap().unwrap(), "Hello, Ada!");
    }
    assert_eq!(ends.count(), 0, "it goes on");
    if let Some(last) = last {
        frames.send(last).unwrap();
        while let Some(Ok(_)) = replies.next().await {}
        assert_eq!(ends.count(), 1, "at its end, not when it is dropped");
        assert!(replies.next().await.is_none());
    } else {
        assert_pending!(task::spawn(replies.next()).poll());
    }
    drop(replies);
    (ends, heard)
}

#[tokio::test]
async fn a_stream_ends_once_as_it_really_did() {
    let reset = io::Error::from(io::ErrorKind::ConnectionReset);
    let garbage = Frame::data(Bytes::from_static(b"\0\0\0\0\x02\xff\xff"));
    for (last, outcome, received, line) in [
        (Some(Ok(trailers("0"))), Outcome::Replied, 0, None),
        (None, Outcome::Cancelled, 0, None),
        (Some(Ok(trailers("5"))), Outcome::Failed(Kind::NotFound), 0, Some("endpoint")),
        (Some(Err(reset)), Outcome::Failed(Kind::Unavailable), 0, Some("send")),
        (Some(Ok(garbage)), Outcome::Failed(Kind::Internal), 7, Some("decode")),
    ] {
        let (ends, heard) = stream_of(last).await;
        let end = ends.one();
        assert_eq!(end.outcome, outcome);
        assert_eq!((end.sent, end.received), (ADA, 2 * GREETING + received), "{outcome}");
        let lines = heard.take();
        assert_eq!(lines.len(), usize::from(line.is_some()), "{lines:?}");
        for (line, phase) in lines.iter().zip(line) {
            assert!(line.starts_with(&format!("grpc greeter.v1.Greeter/Greeting {phase}: ")));
        }
    }
}

#[tokio::test]
async fn a_stream_without_replies_ends_with_its_head() {
    for (status, outcome) in [("0", Outcome::Replied), ("5", Outcome::Failed(Kind::NotFound))] {
        let (ends, heard) = (Ends::default(), Heard::default());
        let server = service_fn(move |_: Sent| {
            let reply = Response::builder()
                .header("content-type", "application/grpc")
                .header("grpc-status", status);
            ready(Ok::<_, Infallible>(reply.body(Body::empty()).unwrap()))
        });
        let client = Client::server_streaming(server, PATH, encode, decode)
            .after(move |headers| assert_eq!(headers["grpc-status"], status))
            .hook(heard.hook())
            .finally(ends.finally());
        let replies = client.oneshot(ada()).await;
        assert_eq!(ends.outcomes(), [outcome], "before anybody asks for a reply");
        if let Ok(mut replies) = replies {
            assert!(replies.next().await.is_none());
        }
        let end = ends.one();
        assert_eq!((end.status, end.received), (Some(StatusCode::OK), 0));
        assert_eq!(heard.take().len(), usize::from(status != "0"));
    }
}

#[tokio::test]
async fn a_stream_of_requests_is_counted_and_its_fault_is_one_of_writing() {
    fn names(last: Option<Wrong>) -> Request<impl Stream<Item = Result<String, Wrong>> + Send> {
        let names = ["Ada", "Ada"].map(|name| Ok(name.to_owned()));
        Request::new(tokio_stream::iter(names.into_iter().chain(last.map(Err))))
    }

    let (ends, heard) = (Ends::default(), Heard::default());
    let (frames, server) = streaming();
    frames.send(Ok(message())).unwrap();
    frames.send(Ok(trailers("0"))).unwrap();
    drop(frames);
    let client = Client::client_streaming(server, PATH, encode, decode);
    let client = client.hook(heard.hook()).finally(ends.finally());
    client.oneshot(names(None)).await.unwrap();
    assert_eq!((ends.one().sent, ends.one().received), (2 * ADA, GREETING));
    assert!(heard.take().is_empty());

    let ends = Ends::default();
    let server = service_fn(|request: Sent| async move {
        use http_body_util::BodyExt;

        let _ = request.into_body().collect().await;
        Ok::<_, Infallible>(Status::cancelled("reset").into_http::<Body>())
    });
    let client = Client::bidi(server, PATH, encode, decode);
    let client = client.hook(heard.hook()).finally(ends.finally());
    client.oneshot(names(Some(Wrong::new(Kind::DataLoss)))).await.unwrap_err();
    let end = ends.one();
    assert_eq!((end.outcome, end.sent), (Outcome::Failed(Kind::DataLoss), 2 * ADA));
    let lines = heard.take();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].contains(" encode: the stream of requests failed: the greeter is wrong"));
}

#[tokio::test]
async fn a_client_with_hooks_is_still_send_and_sync() {
    fn assert_send_sync<T: Send + Sync + Clone>(_: &T) {}

    let ready = service_fn(|_: Sent| ready(Err::<Response<Body>, _>(io::Error::other("no"))));
    let client = Client::new(ready, PATH, encode, decode).finally(Ends::default().finally());
    assert_send_sync(&client);
    tokio::spawn(client.oneshot(ada())).await.unwrap().unwrap_err();
}
