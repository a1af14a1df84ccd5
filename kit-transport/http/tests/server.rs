//! The server as a service: no sockets. Which of Go kit's cases is which test
//! here says `go_kit.rs`; and what Go kit gets wrong.

#![cfg(all(feature = "json", feature = "query"))]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use http::{Extensions, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full, Limited, StreamBody};
use kit_endpoint::{BodyCut, CatchPanicLayer, Details, Expires, Fault, Kind, Panicked};
use kit_transport::{Call, End, Outcome, RequestId, RequestIds, TraceId};
use kit_transport_http::{EncodeError, Failure, Server, json, nothing, query, refuse};
use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{BoxError, Layer, ServiceExt, service_fn};
use tower_test::mock;

type Kit<T> = kit_endpoint::Request<T>;

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("password is hunter2")]
    Broken,
    #[error("say please")]
    Rude,
    #[error("dang")]
    Locked,
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

impl Fault for Error {
    fn inner(&self) -> Option<&dyn Fault> {
        match self {
            Self::Panicked(fact) => Some(fact),
            _ => None,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Broken => Kind::Internal,
            Self::Rude => Kind::InvalidArgument,
            Self::Locked => Kind::Unauthenticated,
            Self::Panicked(fact) => fact.kind(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        matches!(self, Self::Rude).then(|| Duration::from_millis(1200))
    }

    fn describe(&self, details: &mut Details) {
        if let Self::Locked = self {
            details
                .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic"))
                .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
                .header(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        }
    }
}

fn text(request: &Request<Bytes>) -> Result<String, Infallible> {
    Ok(String::from_utf8_lossy(request.body()).into_owned())
}

fn encode(reply: String) -> Result<Response<Bytes>, Infallible> {
    Ok(Response::new(reply.into()))
}

fn request(body: &'static str) -> Request<Full<Bytes>> {
    Request::new(Full::new(Bytes::from_static(body.as_bytes())))
}

async fn echo(request: Kit<String>) -> Result<String, Error> {
    Ok(request.into_message())
}

async fn panics(_: Kit<String>) -> Result<String, Error> {
    panic!("out of cheese")
}

/// Collects how requests ended.
#[derive(Clone, Default)]
struct Ends(Arc<Mutex<Vec<End>>>);

impl Ends {
    fn hook(&self) -> impl Fn(&End) + Clone + use<> {
        let ends = Arc::clone(&self.0);
        move |end| ends.lock().unwrap().push(end.clone())
    }

    fn one(&self) -> End {
        let ends = self.0.lock().unwrap();
        assert_eq!(ends.len(), 1, "finish is called exactly once: {ends:?}");
        ends[0].clone()
    }
}

async fn body<B: Body<Data = Bytes>>(response: Response<B>) -> String
where
    B::Error: std::fmt::Debug,
{
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn replies_with_what_the_endpoint_says() {
    let server = Server::new(service_fn(echo), text, encode);
    let response = server.oneshot(request("hello")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(body(response).await, "hello");
}

#[tokio::test]
async fn a_bad_request_is_the_callers_fault() {
    let server = Server::new(service_fn(echo), json::decode, encode);
    let response = server.oneshot(request("{")).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    let problem: serde_json::Value = serde_json::from_str(&body(response).await).unwrap();
    assert_eq!(problem["status"], 400);
    assert!(problem["detail"].as_str().unwrap().starts_with("cannot read the body"), "{problem}");
}

#[tokio::test]
async fn a_fault_of_the_service_hides_what_it_says() {
    let endpoint = service_fn(|_: Kit<String>| async { Err::<String, _>(Error::Broken) });
    let response = Server::new(endpoint, text, encode).oneshot(request("")).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!body(response).await.contains("hunter2"));
}

#[tokio::test]
async fn a_fault_of_the_caller_says_what_to_do_and_when() {
    let endpoint = service_fn(|_: Kit<String>| async { Err::<String, _>(Error::Rude) });
    let response = Server::new(endpoint, text, encode).oneshot(request("")).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(response.headers()[header::RETRY_AFTER], "2", "rounded up");
    assert!(body(response).await.contains("say please"));
}

#[tokio::test]
async fn a_reply_that_cannot_be_encoded_is_a_clean_500() {
    let ends = Ends::default();
    let broken = |_: String| Err::<Response<Bytes>, _>(EncodeError::new("half of it is missing"));
    let server = Server::new(service_fn(echo), text, broken).finally(ends.hook());
    let response = server.oneshot(request("x")).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!body(response).await.contains("half"));
    let end = ends.one();
    assert_eq!(end.outcome, Outcome::Failed(Kind::Internal));
    assert_eq!(end.error.as_deref(), Some("cannot encode the message: half of it is missing"));
}

#[tokio::test]
async fn an_error_encoder_may_be_anything() {
    let teapot = |_: &Failure<'_>| {
        Response::builder().status(StatusCode::IM_A_TEAPOT).body(Bytes::new()).unwrap()
    };
    let server = Server::new(service_fn(echo), json::decode, encode).encode_error(teapot);
    assert_eq!(server.oneshot(request("{")).await.unwrap().status(), StatusCode::IM_A_TEAPOT);
}

#[tokio::test]
async fn headers_of_a_fault_survive_with_one_content_type() {
    let endpoint = service_fn(|_: Kit<String>| async { Err::<String, _>(Error::Locked) });
    let response = Server::new(endpoint, text, encode).oneshot(request("")).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let challenges = response.headers().get_all(header::WWW_AUTHENTICATE);
    assert_eq!(challenges.iter().collect::<Vec<_>>(), ["Basic", "Bearer"]);
    let types = response.headers().get_all(header::CONTENT_TYPE);
    assert_eq!(types.iter().collect::<Vec<_>>(), ["application/problem+json"]);
}

#[tokio::test]
async fn an_encoder_controls_status_and_headers() {
    let encode = |reply: String| {
        Response::builder()
            .status(StatusCode::PAYMENT_REQUIRED)
            .header(header::VARY, "Origin")
            .header(header::VARY, "Accept")
            .body(Bytes::from(reply))
            .map_err(EncodeError::new)
    };
    let response = Server::new(service_fn(echo), text, encode).oneshot(request("x")).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYMENT_REQUIRED);
    let vary = response.headers().get_all(header::VARY);
    assert_eq!(vary.iter().collect::<Vec<_>>(), ["Origin", "Accept"]);
}

#[tokio::test]
async fn a_reply_without_a_body_has_none_and_ends_at_once() {
    let ends = Ends::default();
    let no_content = |(): ()| {
        Response::builder()
            .status(StatusCode::NO_CONTENT)
            .body(Bytes::new())
            .map_err(EncodeError::new)
    };
    let endpoint = service_fn(|_: Kit<String>| async { Ok::<_, Error>(()) });
    let server = Server::new(endpoint, text, no_content).finally(ends.hook());
    let response = server.oneshot(request("")).await.unwrap();
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert_eq!(ends.one().outcome, Outcome::Replied, "nobody polls an empty body");
    assert_eq!(body(response).await, "");
    ends.one();
}

#[derive(Clone, Copy)]
struct First(u32);

#[tokio::test]
async fn hooks_see_what_hooks_before_them_did() {
    let first = |_: &Call<'_>, extensions: &mut Extensions| {
        extensions.insert(First(1));
    };
    let second = |call: &Call<'_>, extensions: &mut Extensions| {
        assert_eq!((call.method, call.route), ("POST", Some("/sum")));
        let First(one) = *extensions.get::<First>().expect("the first hook ran");
        extensions.insert(First(one + 1));
    };
    let endpoint = service_fn(|request: Kit<String>| async move {
        Ok::<_, Error>(request.extensions().get::<First>().unwrap().0.to_string())
    });
    let header = HeaderName::from_static("x-order");
    let append = |value: &'static str| {
        let header = header.clone();
        move |headers: &mut http::HeaderMap| {
            headers.append(header.clone(), HeaderValue::from_static(value));
        }
    };
    let server = Server::new(endpoint, text, encode)
        .route("/sum")
        .before(first)
        .before(second)
        .after(append("outer"))
        .after(append("inner"));
    let mut request = request("");
    *request.method_mut() = http::Method::POST;
    let response = server.oneshot(request).await.unwrap();
    let order = response.headers().get_all(&header).iter().cloned().collect::<Vec<_>>();
    assert_eq!(order, ["inner", "outer"], "replies pass hooks in the reverse order");
    assert_eq!(body(response).await, "2");
}

#[tokio::test]
async fn the_end_knows_status_and_sizes() {
    let ends = Ends::default();
    let teapot = |reply: String| {
        Response::builder()
            .status(StatusCode::IM_A_TEAPOT)
            .body(Bytes::from(reply))
            .map_err(EncodeError::new)
    };
    let server = Server::new(service_fn(echo), text, teapot).finally(ends.hook());
    let response = server.oneshot(request("go eat a fly ugly")).await.unwrap();
    assert_eq!(body(response).await.len(), 17);
    let end = ends.one();
    assert_eq!(end.status, Some(StatusCode::IM_A_TEAPOT));
    assert_eq!((end.received, end.sent), (17, 17));
    assert_eq!(end.outcome, Outcome::Replied);
}

#[tokio::test]
async fn a_reply_whose_body_is_not_taken_was_cancelled() {
    let ends = Ends::default();
    let server = Server::new(service_fn(echo), text, encode).finally(ends.hook());
    drop(server.oneshot(request("hello")).await.unwrap());
    let end = ends.one();
    assert_eq!((end.outcome, end.sent), (Outcome::Cancelled, 0));
}

#[tokio::test]
async fn a_call_that_is_dropped_was_cancelled() {
    let (endpoint, mut handle) = mock::pair::<Kit<String>, String>();
    let ends = Ends::default();
    let server =
        Server::new(endpoint.map_err(|_| Error::Broken), text, encode).finally(ends.hook());
    let mut call = task::spawn(server.oneshot(request("hello")));
    assert_pending!(call.poll());
    drop(call);
    assert_eq!(ends.one().outcome, Outcome::Cancelled);
    drop(handle.next_request().await);
}

#[tokio::test]
async fn waits_for_the_endpoint_only_after_decoding() {
    let (endpoint, mut handle) = mock::pair::<Kit<String>, String>();
    let server = Server::new(endpoint.map_err(|_| Error::Broken), text, encode);
    handle.allow(0);
    let mut call = task::spawn(server.oneshot(request("hello")));
    assert_pending!(call.poll());
    handle.allow(1);
    assert!(call.is_woken());
    assert_pending!(call.poll());
    let (request, reply) = handle.next_request().await.unwrap();
    assert_eq!(request.message(), "hello");
    reply.send_response("world".to_owned());
    assert_eq!(assert_ready_ok!(call.poll()).status(), StatusCode::OK);
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_end_knows_it() {
    let ends = Ends::default();
    let endpoint = CatchPanicLayer::new().layer(service_fn(panics));
    let server = Server::new(endpoint, text, encode).finally(ends.hook());
    let response = server.oneshot(request("")).await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!body(response).await.contains("cheese"));
    let end = ends.one();
    assert_eq!(end.outcome, Outcome::Failed(Kind::Internal));
    assert!(end.error.unwrap().contains("out of cheese"));
}

#[tokio::test]
async fn a_panic_that_nobody_catches_still_ends_the_request() {
    let ends = Ends::default();
    let server = Server::new(service_fn(panics), text, encode).finally(ends.hook());
    tokio::spawn(server.oneshot(request(""))).await.expect_err("it panicked");
    assert_eq!(ends.one().outcome, Outcome::Failed(Kind::Internal));
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_whether_announced_or_not() {
    let server = Server::new(service_fn(echo), text, encode).body_limit(4);
    let response = server.clone().oneshot(request("12345")).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(body(response).await.contains("at most 4 bytes"));

    let frames = ["123", "45"].map(|data| Ok::<_, Infallible>(Frame::data(Bytes::from(data))));
    let dripped = StreamBody::new(tokio_stream::iter(frames));
    let response = server.clone().oneshot(Request::new(dripped)).await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);

    let response = server.oneshot(request("1234")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_call() {
    let frames = [Ok(Frame::data(Bytes::from("12"))), Err(BoxError::from("reset"))];
    let (endpoint, mut handle) = mock::pair::<Kit<String>, String>();
    let ends = Ends::default();
    let server =
        Server::new(endpoint.map_err(|_| Error::Broken), text, encode).finally(ends.hook());
    let request = Request::new(StreamBody::new(tokio_stream::iter(frames)));
    let response = server.oneshot(request).await.unwrap();
    assert_eq!(response.status().as_u16(), 499);
    assert!(handle.next_request().await.is_none(), "the endpoint was not called");
    body(response).await;
    let end = ends.one();
    assert_eq!((end.outcome, end.received), (Outcome::Failed(Kind::Cancelled), 2));
    assert!(end.error.unwrap().ends_with("broke off: reset"));
}

#[tokio::test]
async fn what_a_body_is_announced_to_have_is_not_made_room_for_at_once() {
    let told = Announced { frames: ["1", "2"].map(Bytes::from).into_iter(), length: 1 << 60 };
    let server = Server::new(service_fn(echo), text, encode).body_limit(usize::MAX);
    let response = server.oneshot(Request::new(told)).await.unwrap();
    assert_eq!(body(response).await, "12");
}

/// A body that says that it is longer than it is.
struct Announced {
    frames: std::array::IntoIter<Bytes, 2>,
    length: u64,
}

impl Body for Announced {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.frames.next().map(|chunk| Ok(Frame::data(chunk))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("somebody else's")]
struct Wrapped(#[source] BoxError);

#[tokio::test]
async fn what_a_limit_around_the_server_cut_off_is_no_caller_that_left() {
    let length = Limited::new(request("hello").into_body(), 2).collect().await.unwrap_err();
    let cuts: [(BoxError, _, _); 4] = [
        (length, 413, Kind::PayloadTooLarge),
        (Box::new(BodyCut::TooLarge), 413, Kind::PayloadTooLarge),
        (Box::new(BodyCut::TooSlow), 504, Kind::DeadlineExceeded),
        ("reset".into(), 499, Kind::Cancelled),
    ];
    for (cut, status, kind) in cuts {
        let ends = Ends::default();
        let server = Server::new(service_fn(echo), text, encode).finally(ends.hook());
        let frames = [Ok(Frame::data(Bytes::from("he"))), Err(Wrapped(cut))];
        let request = Request::new(StreamBody::new(tokio_stream::iter(frames)));
        let response = server.oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        body(response).await;
        let end = ends.one();
        assert_eq!((end.outcome, end.received), (Outcome::Failed(kind), 2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_was_set_around_the_server_is_the_requests() {
    let left = service_fn(async |request: Kit<String>| {
        let left = request.deadline().map(|deadline| deadline - Instant::now());
        Ok::<_, Error>(format!("{left:?}"))
    });
    let server = Server::new(left, text, encode);
    let ask = async |told: Option<&'static str>, known: Duration| {
        let mut request = request("");
        if let Some(told) = told {
            let told = HeaderValue::from_static(told);
            request.headers_mut().insert("x-request-timeout-ms", told);
        }
        request.extensions_mut().insert(Expires(Instant::now() + known));
        let response = server.clone().oneshot(request).await.unwrap();
        (response.status().as_u16(), body(response).await)
    };
    let millis = Duration::from_millis;
    assert_eq!(ask(None, millis(250)).await, (200, "Some(250ms)".to_owned()));
    assert_eq!(ask(Some("100"), millis(250)).await, (200, "Some(100ms)".to_owned()));
    assert_eq!(ask(Some("300"), millis(250)).await, (200, "Some(250ms)".to_owned()));
    assert_eq!(ask(Some("300"), millis(0)).await.0, 504);
    assert_eq!(ask(None, millis(0)).await.0, 504);

    // A hook may set one, too.
    let hooked = server.before(|_: &Call<'_>, extensions: &mut Extensions| {
        extensions.insert(Expires(Instant::now() + Duration::from_millis(70)));
    });
    let response = hooked.oneshot(request("")).await.unwrap();
    assert_eq!(body(response).await, "Some(70ms)");
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_the_endpoint_is_dropped_and_the_caller_told() {
    struct Working(Arc<Mutex<bool>>);
    impl Drop for Working {
        fn drop(&mut self) {
            *self.0.lock().unwrap() = true;
        }
    }

    for body_of in ["", "with a body"] {
        let dropped = Arc::new(Mutex::new(false));
        let working = Arc::clone(&dropped);
        let never = service_fn(move |_: Kit<String>| {
            let working = Working(Arc::clone(&working));
            async move {
                std::future::pending::<()>().await;
                drop(working);
                Ok::<_, Error>(String::new())
            }
        });
        let ends = Ends::default();
        let server = Server::new(never, text, encode).finally(ends.hook());
        let mut request = request(body_of);
        request.headers_mut().insert("x-request-timeout-ms", HeaderValue::from_static("100"));
        let begun = Instant::now();
        let response = server.oneshot(request).await.unwrap();
        assert_eq!((response.status().as_u16(), begun.elapsed().as_millis()), (504, 100));
        assert!(*dropped.lock().unwrap(), "before the reply is sent");
        assert!(body(response).await.contains("DEADLINE_EXCEEDED"));
        assert_eq!(ends.one().outcome, Outcome::Failed(Kind::DeadlineExceeded));
    }
}

#[tokio::test]
async fn a_hook_that_only_comes_before_names_the_request_too() {
    let name = |_: &Call<'_>, extensions: &mut Extensions| {
        extensions.insert(RequestId::new(&HeaderValue::from_static("abc-1")).unwrap());
        extensions.insert(TraceId::new([7; 16]));
    };
    let server = Server::new(service_fn(echo), json::decode, encode).before(name);
    let response = server.oneshot(request("{")).await.unwrap();
    let problem: serde_json::Value = serde_json::from_str(&body(response).await).unwrap();
    assert_eq!(
        (&problem["instance"], &problem["traceId"]),
        (&"#abc-1".into(), &"07".repeat(16).into())
    );
}

/// A body of which the end never comes.
fn stalled() -> StreamBody<tokio_stream::Pending<Result<Frame<Bytes>, Infallible>>> {
    StreamBody::new(tokio_stream::pending())
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_waited_for_no_longer_than_the_deadline() {
    let ends = Ends::default();
    let server = Server::new(service_fn(echo), text, encode).finally(ends.hook());
    let mut request = Request::new(stalled());
    request.headers_mut().insert("x-request-timeout-ms", HeaderValue::from_static("1000"));
    let begun = Instant::now();
    let response = server.oneshot(request).await.unwrap();
    assert_eq!(begun.elapsed().as_millis(), 1000);
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    body(response).await;
    assert_eq!(ends.one().outcome, Outcome::Failed(Kind::DeadlineExceeded));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_waited_for_no_longer_than_the_limit() {
    let server = Server::new(service_fn(echo), text, encode);
    for (server, seconds) in
        [(server.clone(), 30), (server.body_timeout(Duration::from_secs(3)), 3)]
    {
        let begun = Instant::now();
        let response = server.oneshot(Request::new(stalled())).await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), seconds);
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    }
}

#[tokio::test]
async fn a_head_request_is_over_with_the_head_of_its_reply() {
    let ends = Ends::default();
    let server = Server::new(service_fn(echo), text, encode).finally(ends.hook());
    let mut request = request("hello");
    *request.method_mut() = http::Method::HEAD;
    let response = server.oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-length"], "5", "as of a GET");
    assert!(response.body().is_end_stream(), "over HTTP/2 hyper would send it");
    assert_eq!(body(response).await, "");
    let end = ends.one();
    assert_eq!((end.outcome, end.sent), (Outcome::Replied, 0));

    let ends = Ends::default();
    let mut request = Request::new(stalled());
    *request.method_mut() = http::Method::HEAD;
    let missing = refuse(Kind::NotFound, "no").finally(ends.hook());
    let response = missing.oneshot(request).await.unwrap();
    assert!(response.headers().contains_key("content-length"));
    assert_eq!(body(response).await, "");
    assert_eq!(ends.one().outcome, Outcome::Failed(Kind::NotFound));
}

#[tokio::test]
async fn a_status_that_has_no_body_is_over_with_its_head() {
    for status in [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED] {
        let ends = Ends::default();
        let with_body = move |reply: String| {
            let response = Response::builder().status(status).header("content-length", "8");
            response.body(Bytes::from(reply)).map_err(EncodeError::new)
        };
        let server = Server::new(service_fn(echo), text, with_body).finally(ends.hook());
        let response = server.oneshot(request("not sent")).await.unwrap();
        assert!(!response.headers().contains_key("content-length"), "RFC 9110, section 8.6");
        assert_eq!(response.body().size_hint().exact(), Some(0), "else it would be compressed");
        assert!(response.body().is_end_stream(), "over HTTP/2 hyper would send it");
        assert_eq!(body(response).await, "");
        assert_eq!(ends.one().outcome, Outcome::Replied, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_the_time_that_the_caller_allows() {
    let endpoint = service_fn(|request: Kit<String>| async move {
        let left = request.deadline().map(|deadline| deadline - Instant::now());
        Ok::<_, Error>(format!("{left:?}"))
    });
    let server = Server::new(endpoint, text, encode);
    let ask = |name: &'static str, value: &'static str| {
        let mut request = request("");
        request.headers_mut().insert(name, HeaderValue::from_static(value));
        let server = server.clone();
        async move {
            let response = server.oneshot(request).await.unwrap();
            (response.status().as_u16(), body(response).await)
        }
    };
    assert_eq!(ask("x-request-timeout-ms", "250").await, (200, "Some(250ms)".to_owned()));
    assert_eq!(ask("grpc-timeout", "3S").await, (200, "Some(3s)".to_owned()));
    assert_eq!(ask("accept", "*/*").await, (200, "None".to_owned()));
    let (status, problem) = ask("x-request-timeout-ms", "soon").await;
    assert_eq!(status, 400);
    assert!(problem.contains("x-request-timeout-ms must be a number"), "{problem}");
}

#[tokio::test]
async fn the_request_id_is_given_echoed_and_named_in_problems() {
    let endpoint = service_fn(|request: Kit<String>| async move {
        assert!(request.extensions().get::<RequestId>().is_some());
        Err::<String, _>(Error::Rude)
    });
    let server = Server::new(endpoint, text, encode).hook(RequestIds);
    let mut request = request("");
    request.headers_mut().insert("x-request-id", HeaderValue::from_static("abc-1"));
    let response = server.oneshot(request).await.unwrap();
    assert_eq!(response.headers()["x-request-id"], "abc-1");
    assert!(body(response).await.contains(r##""instance":"#abc-1""##));
}

#[tokio::test]
async fn a_router_falls_back_to_a_refusal_that_hooks_see() {
    let ends = Ends::default();
    let server = refuse(Kind::MethodNotAllowed, "use GET").hook(RequestIds).finally(ends.hook());
    // Its body is never polled: it would never end.
    let request =
        Request::new(StreamBody::new(tokio_stream::pending::<Result<Frame<Bytes>, Infallible>>()));
    let response = assert_ready_ok!(task::spawn(server.oneshot(request)).poll());
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(response.headers().contains_key("x-request-id"));
    assert!(body(response).await.contains(r#""detail":"use GET""#));
    assert_eq!(ends.one().outcome, Outcome::Failed(Kind::MethodNotAllowed));
}

#[tokio::test]
async fn an_endpoint_may_ask_nothing_of_its_request() {
    let endpoint = service_fn(|_: Kit<()>| async { Ok::<_, Error>("hi".to_owned()) });
    let server = Server::new(endpoint, nothing, encode);
    assert_eq!(body(server.oneshot(request("whatever")).await.unwrap()).await, "hi");
}

#[tokio::test]
async fn json_goes_out_under_a_status_of_its_own() {
    let response = json::encode_as(StatusCode::SERVICE_UNAVAILABLE, [1, 2]).unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        (&response.headers()["content-type"], &response.body()[..]),
        (&HeaderValue::from_static("application/json"), &b"[1,2]"[..])
    );
}

#[derive(Debug, PartialEq, serde::Deserialize, serde::Serialize)]
struct Hello {
    name: String,
}

fn get(uri: &str) -> Request<Empty<Bytes>> {
    Request::get(uri).body(Empty::new()).unwrap()
}

#[tokio::test]
async fn a_query_is_decoded_and_a_repeated_parameter_is_refused() {
    let endpoint = service_fn(|request: Kit<Hello>| async move {
        Ok::<_, Error>(format!("Hello, {}!", request.into_message().name))
    });
    let server = Server::new(endpoint, query::decode::<Hello>, encode);
    let response = server.clone().oneshot(get("/?name=Ada%20L+%26+co")).await.unwrap();
    assert_eq!(body(response).await, "Hello, Ada L & co!");
    let once = "give each parameter once";
    for (bad, advice) in [
        ("/", once),
        ("/?", once),
        ("/?name=Ada&name=Bob", once),
        ("/?nom=Ada", once),
        ("/?name=%ff", "percent-encode text as UTF-8"),
        ("/?name=A&%C3=1", "percent-encode text as UTF-8"),
    ] {
        let response = server.clone().oneshot(get(bad)).await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{bad}");
        assert!(body(response).await.contains(advice), "{bad}");
    }
}

#[tokio::test]
async fn json_goes_there_and_back() {
    let endpoint =
        service_fn(|request: Kit<Hello>| async move { Ok::<_, Error>(request.into_message()) });
    let server = Server::new(endpoint, json::decode::<Hello>, json::encode);
    let response = server.oneshot(request(r#"{"name":"Ada"}"#)).await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
    assert_eq!(body(response).await, r#"{"name":"Ada"}"#);
}

#[test]
fn everything_can_be_sent_and_shared() {
    fn check<T: Send + Sync>(_: &T) {}
    check(&Server::new(service_fn(echo), text, encode).hook(RequestIds));
    check(&kit_transport_http::CallError::TooLarge { limit: 1 });
}
