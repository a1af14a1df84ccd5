//! A method of another service as an endpoint, without a socket.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use kit_endpoint::{Endpoint, Fault, Kind, Request};
use kit_transport::{Report, RequestId};
use kit_transport_grpc::{CallError, Client, GrpcLayer, Server};
use std::{
    convert::Infallible,
    future::{pending, ready},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use support::{
    Greeter, PATH, Wrong, frame, hello,
    pb::{GreetingRequest, GreetingResponse, greeter_server::GreeterServer},
};
use tokio::time::{Instant, advance, sleep};
use tokio_test::{assert_pending, assert_ready_err, task};
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service, ServiceExt, service_fn};

type Call = http::Request<Body>;

fn encode(name: String) -> Result<GreetingRequest, Infallible> {
    Ok(GreetingRequest { name })
}

fn decode(reply: GreetingResponse) -> Result<String, Infallible> {
    Ok(reply.greeting)
}

/// A client of the service that `endpoint` is behind.
fn client<F>(
    endpoint: fn(Request<String>) -> F,
) -> impl Endpoint<String, Response = String, Error = CallError>
where
    F: Future<Output = Result<String, Wrong>> + Send + 'static,
{
    let server = Server::new(service_fn(endpoint), support::decode, support::encode);
    let service = GrpcLayer::new().layer(GreeterServer::new(Greeter(server)));
    Client::new(service, PATH, encode, decode)
}

/// A client of a service that answers with `response`.
fn client_of<B>(
    response: fn() -> Response<B>,
) -> impl Endpoint<String, Response = String, Error = CallError>
where
    B: http_body::Body<Data = Bytes, Error = Status> + Send + 'static,
{
    let service = service_fn(move |_: Call| ready(Ok::<_, Infallible>(response())));
    Client::new(service, PATH, encode, decode)
}

fn ada() -> Request<String> {
    Request::new("Ada".to_owned())
}

/// A reply of `frames`.
fn reply(frames: Vec<Frame<Bytes>>) -> Response<Body> {
    let body = StreamBody::new(tokio_stream::iter(frames.into_iter().map(Ok::<_, Status>)));
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    response
}

fn message() -> Frame<Bytes> {
    Frame::data(frame(&GreetingResponse { greeting: "Hello!".to_owned() }))
}

fn trailers(pairs: &[(&'static str, &str)]) -> Frame<Bytes> {
    let mut trailers = HeaderMap::new();
    for (name, value) in pairs {
        trailers.insert(*name, value.parse().unwrap());
    }
    Frame::trailers(trailers)
}

#[tokio::test]
async fn a_method_of_another_service_is_an_endpoint() {
    assert_eq!(client(hello).oneshot(ada()).await.unwrap(), "Hello, Ada!");
}

#[tokio::test]
async fn every_kind_comes_back_as_the_other_side_meant_it() {
    for kind in Kind::ALL {
        let service = service_fn(move |_: tonic::Request<GreetingRequest>| {
            let status = kit_transport_grpc::status(&Wrong::new(kind));
            ready(Err::<tonic::Response<GreetingResponse>, _>(status))
        });
        let service = GreeterServer::new(Greeter(service));
        let error = Client::new(service, PATH, encode, decode).oneshot(ada()).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(!error.refused(), "what crossed a server may have run");
    }
}

#[tokio::test]
async fn a_failure_keeps_what_the_other_side_says() {
    async fn fail(_: Request<String>) -> Result<String, Wrong> {
        let mut wrong = Wrong::new(Kind::ResourceExhausted);
        wrong.retry_after = Some(Duration::from_secs(7));
        Err(wrong)
    }

    let error = client(fail).oneshot(ada()).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    let status = error.status().unwrap();
    assert_eq!(
        (status.code(), status.message()),
        (Code::ResourceExhausted, "the greeter is wrong")
    );
    // What the service says is for logs, and not for callers of our own.
    assert_eq!(error.to_string(), "the service answered RESOURCE_EXHAUSTED");
    let said = "the service answered RESOURCE_EXHAUSTED: the greeter is wrong";
    assert_eq!(Report(&error).to_string(), said);
}

// ===== what travels =====

#[tokio::test(start_paused = true)]
async fn what_is_left_of_the_deadline_and_the_id_travel() {
    let seen = Arc::new(Mutex::new(None));
    let saw = seen.clone();
    let service = service_fn(move |request: Call| {
        *saw.lock().unwrap() = Some((request.uri().clone(), request.headers().clone()));
        ready(Ok::<_, Infallible>(reply(vec![message(), trailers(&[("grpc-status", "0")])])))
    });
    let client = Client::new(service, PATH, encode, decode);

    let mut request = ada().within(Instant::now() + Duration::from_millis(1500));
    request.extensions_mut().insert(RequestId::new(&"abc-1".parse().unwrap()).unwrap());
    advance(Duration::from_millis(500)).await;
    client.clone().oneshot(request.clone()).await.unwrap();
    let (uri, headers) = seen.lock().unwrap().take().unwrap();
    assert_eq!(uri, PATH);
    assert_eq!(headers["grpc-timeout"], "1000000u");
    assert_eq!(headers["x-request-id"], "abc-1");
    assert_eq!(headers["te"], "trailers");
    assert_eq!(headers["content-type"], "application/grpc");

    // What the caller writes stays, but for the deadline.
    let client = client
        .metadata(|_: &http::Extensions, headers: &mut HeaderMap| {
            headers.insert("x-request-id", "mine".parse().unwrap());
            headers.insert("x-more", "yes".parse().unwrap());
            headers.insert("grpc-timeout", "9H".parse().unwrap());
        })
        .origin("https://greeter.example".parse().unwrap())
        .unwrap();
    client.oneshot(request).await.unwrap();
    let (uri, headers) = seen.lock().unwrap().take().unwrap();
    assert_eq!(uri, "https://greeter.example/greeter.v1.Greeter/Greeting");
    assert_eq!(headers["grpc-timeout"], "1000000u");
    assert_eq!(headers["x-request-id"], "mine");
    assert_eq!(headers["x-more"], "yes");
}

#[tokio::test]
async fn a_request_without_either_sends_neither() {
    let service = service_fn(|request: Call| {
        assert!(!request.headers().contains_key("grpc-timeout"));
        assert!(!request.headers().contains_key("x-request-id"));
        ready(Ok::<_, Infallible>(reply(vec![message(), trailers(&[("grpc-status", "0")])])))
    });
    Client::new(service, PATH, encode, decode).oneshot(ada()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn past_the_deadline_the_call_is_given_up() {
    struct Canary(Arc<AtomicBool>);

    impl Drop for Canary {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    let dropped = Arc::new(AtomicBool::new(false));
    let canary = dropped.clone();
    let service = service_fn(move |_: Call| {
        let canary = Canary(canary.clone());
        async move {
            let _canary = canary;
            pending::<Result<Response<Body>, Infallible>>().await
        }
    });
    let client = Client::new(service, PATH, encode, decode);
    let request = ada().within(Instant::now() + Duration::from_millis(100));
    let mut call = task::spawn(client.oneshot(request));
    assert_pending!(call.poll());
    advance(Duration::from_millis(101)).await;
    assert!(call.is_woken());
    let error = assert_ready_err!(call.poll());
    assert_eq!(error.kind(), Kind::DeadlineExceeded);
    assert!(!error.refused(), "it was sent");
    assert!(dropped.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_has_passed_is_refused_unsent() {
    let request = ada().within(Instant::now());
    let service = service_fn(|_: Call| async { panic!("nobody waits for this") });
    let service = service.map_response(|never: Response<Body>| never);
    let service = service.map_err(|never: Infallible| never);
    let client = Client::new(service, PATH, encode, decode);
    let error = client.oneshot(request).await.unwrap_err();
    assert_eq!(error.kind(), Kind::DeadlineExceeded);
    assert!(error.refused());
}

// ===== replies that are wrong =====

#[tokio::test]
async fn a_reply_that_is_not_grpc_is_told_by_its_http_status() {
    const GOLDEN: [(u16, Kind); 9] = [
        (400, Kind::Internal),
        (401, Kind::Unauthenticated),
        (403, Kind::PermissionDenied),
        (404, Kind::Unimplemented),
        (429, Kind::Unavailable),
        (502, Kind::Unavailable),
        (503, Kind::Unavailable),
        (504, Kind::Unavailable),
        (418, Kind::Unknown),
    ];
    for ((status, kind), content_type) in
        GOLDEN.into_iter().flat_map(|case| [(case, "text/html"), (case, "application/grpc")])
    {
        let service = service_fn(move |_: Call| {
            let page = http_body_util::Full::new(Bytes::from_static(b"<h1>Sorry</h1>"));
            let mut response = Response::new(page);
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            response.headers_mut().insert("content-type", content_type.parse().unwrap());
            ready(Ok::<_, Infallible>(response))
        });
        let error = Client::new(service, PATH, encode, decode).oneshot(ada()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status}");
        assert!(Report(&error).to_string().contains(&format!("HTTP {status}")), "{error:?}");
    }
}

#[tokio::test]
async fn a_page_is_not_a_reply() {
    let error = client_of(|| {
        let mut response = reply(vec![Frame::data(Bytes::from_static(b"<h1>Hello</h1>"))]);
        response.headers_mut().insert("content-type", "text/html".parse().unwrap());
        response
    });
    let error = error.oneshot(ada()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unknown);
    assert!(Report(&error).to_string().contains("not gRPC"), "{error:?}");
}

#[tokio::test]
async fn details_that_are_not_base64_make_nobody_panic() {
    for details in ["!!!!", "A", "AAAAA", "AB", "AAA==", "====", "QUJD=A"] {
        // In the head, and in the trailers.
        for head in [true, false] {
            let service = service_fn(move |_: Call| {
                let pairs = [
                    ("grpc-status", "5"),
                    ("grpc-message", "nobody"),
                    ("grpc-status-details-bin", details),
                ];
                let mut response = reply(vec![]);
                if head {
                    response.headers_mut().extend(trailers(&pairs).into_trailers().unwrap());
                } else {
                    response = reply(vec![trailers(&pairs)]);
                }
                ready(Ok::<_, Infallible>(response))
            });
            let client = Client::new(service, PATH, encode, decode);
            let error = client.oneshot(ada()).await.unwrap_err();
            assert_eq!(error.kind(), Kind::NotFound, "{details}");
            assert_eq!(error.status().unwrap().message(), "nobody");
        }
    }
}

#[tokio::test]
async fn details_that_are_base64_stay() {
    for (details, bytes) in [("QUI", &b"AB"[..]), ("QUI=", b"AB"), ("QQ==", b"A"), ("QUJD", b"ABC")]
    {
        let service = service_fn(move |_: Call| {
            let pairs = [("grpc-status", "5"), ("grpc-status-details-bin", details)];
            ready(Ok::<_, Infallible>(reply(vec![trailers(&pairs)])))
        });
        let error = Client::new(service, PATH, encode, decode).oneshot(ada()).await.unwrap_err();
        assert_eq!(error.status().unwrap().details(), bytes, "{details}");
    }
}

#[tokio::test]
async fn one_message_it_must_be() {
    let none = client_of(|| reply(vec![trailers(&[("grpc-status", "0")])]));
    let error = none.oneshot(ada()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Internal);
    assert!(Report(&error).to_string().contains("no message"), "{error:?}");

    let head_only = client_of(|| {
        let mut response = reply(vec![]);
        response.headers_mut().insert("grpc-status", "0".parse().unwrap());
        response
    });
    let error = head_only.oneshot(ada()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Internal);

    let two = client_of(|| reply(vec![message(), message(), trailers(&[("grpc-status", "0")])]));
    let error = two.oneshot(ada()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Internal);
    assert!(Report(&error).to_string().contains("more than one"), "{error:?}");
}

#[tokio::test]
async fn a_failure_after_the_message_is_a_failure() {
    let client = client_of(|| reply(vec![message(), trailers(&[("grpc-status", "10")])]));
    assert_eq!(client.oneshot(ada()).await.unwrap_err().kind(), Kind::Aborted);
}

#[tokio::test]
async fn a_connection_that_is_lost_in_a_reply_is_unavailable() {
    let service = service_fn(|_: Call| {
        let frames = [Ok(message()), Err(std::io::Error::other("cut off"))];
        let body = StreamBody::new(tokio_stream::iter(frames));
        let mut response = Response::new(body);
        response.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        ready(Ok::<_, Infallible>(response))
    });
    let error = Client::new(service, PATH, encode, decode).oneshot(ada()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(!error.refused());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_the_other_side_resets_past_the_deadline_is_late() {
    const LIMIT: Duration = Duration::from_millis(100);

    // As gRPC's C-core does, whose handler keeps the same deadline.
    let resets = |code, after| {
        let service = service_fn(move |_: Call| async move {
            sleep(after).await;
            Err::<Response<Body>, _>(Status::new(code, "h2 protocol error: reset by the peer"))
        });
        let client = Client::new(service, PATH, encode, decode);
        client.oneshot(ada().within(Instant::now() + LIMIT))
    };
    let error = resets(Code::Cancelled, LIMIT).await.unwrap_err();
    assert!(matches!(error, CallError::Expired(_)) && !error.refused(), "{error:?}");
    // Before, it is the other side's doing; and what it says in words, it says late too.
    let error = resets(Code::Cancelled, LIMIT / 2).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Cancelled);
    let error = resets(Code::NotFound, LIMIT).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
}

#[tokio::test]
async fn a_reply_that_breaks_off_is_a_failure() {
    let client = client_of(|| reply(vec![message()]));
    assert_eq!(client.oneshot(ada()).await.unwrap_err().kind(), Kind::Unknown);
}

// ===== faults of this side =====

#[tokio::test]
async fn codecs_that_fail_say_which() {
    let service = || {
        let server = Server::new(service_fn(hello), support::decode, support::encode);
        GreeterServer::new(Greeter(server))
    };
    let refuse = |_: String| Err::<GreetingRequest, _>(Wrong::new(Kind::InvalidArgument));
    let error = Client::new(service(), PATH, refuse, decode).oneshot(ada()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidArgument);
    assert!(error.refused());

    let refuse = |_: GreetingResponse| Err::<String, _>(Wrong::new(Kind::InvalidArgument));
    let error = Client::new(service(), PATH, encode, refuse).oneshot(ada()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Internal, "the caller can do nothing about it");
    assert!(!error.refused());
    assert_eq!(
        Report(&error).to_string(),
        "the reply is not what was asked for: the greeter is wrong: the password is 1234"
    );
}

#[tokio::test]
async fn a_channel_that_fails_is_told_by_its_cause() {
    let service = service_fn(|_: Call| {
        ready(Err::<Response<Body>, _>(Status::unavailable("no route to host")))
    });
    let error = Client::new(service, PATH, encode, decode).oneshot(ada()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(!error.refused());

    let service =
        service_fn(|_: Call| ready(Err::<Response<Body>, _>(std::io::Error::other("cut off"))));
    let error = Client::new(service, PATH, encode, decode).oneshot(ada()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(Report(&error).to_string(), "cannot reach the service: cut off");
    assert!(!error.refused(), "it may have run");

    let service = service_fn(|_: Call| {
        let source = std::io::Error::other("refused");
        ready(Err::<Response<Body>, _>(tonic::ConnectError(source.into())))
    });
    let error = Client::new(service, PATH, encode, decode).oneshot(ada()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.refused(), "without a connection nothing ran");
}

#[tokio::test]
async fn a_channel_that_is_not_ready_makes_the_client_wait() {
    let (channel, mut handle) = tower_test::mock::pair::<Call, Response<Body>>();
    handle.allow(0);
    let mut client = task::spawn(Client::new(channel, PATH, encode, decode));
    assert_pending!(client.enter(|cx, mut client| client.poll_ready(cx)));
    handle.send_error(Status::unavailable("gone"));
    let error = assert_ready_err!(client.enter(|cx, mut client| client.poll_ready(cx)));
    assert_eq!(error.kind(), Kind::Unavailable);
}

#[test]
fn its_types_are_send_and_sync() {
    fn assert_send_sync<T: Send + Sync>() {}
    assert_send_sync::<CallError>();
    assert_send_sync::<Client<tonic::transport::Channel, GreetingRequest, GreetingResponse, (), ()>>(
    );
}

#[test]
#[should_panic(expected = "static str is not valid path")]
fn a_path_that_is_none_is_a_mistake_in_the_program() {
    let service = service_fn(|_: Call| ready(Ok::<_, Infallible>(reply(vec![]))));
    let _ = Client::new(service, "not a path", encode, decode);
}
