//! The reverse proxy over services: no sockets but in the last test. Go kit's
//! `httprp/server_test.go`:
//!
//! - `TestServerHappyPathSingleServer`:
//!   `a_request_goes_on_and_its_reply_comes_back`
//! - `TestServerHappyPathSingleServerWithServerOptions`:
//!   `what_hooks_put_into_the_extensions_goes_on`
//! - `TestServerOriginServerNotFoundResponse`:
//!   `a_failure_of_the_upstream_comes_back_as_it_is`
//! - `TestServerOriginServerUnreachable`:
//!   `an_upstream_without_a_connection_is_502`
//! - `TestMultipleServerBefore`: `what_hooks_put_into_the_extensions_goes_on`

#![cfg(all(feature = "client", feature = "json", feature = "proxy"))]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, Version,
};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full, StreamBody, combinators::UnsyncBoxBody};
use kit_endpoint::{BodyCut, Expires, Fault, Kind, Peer};
use kit_transport::{Call, End, Metadata, Outcome, Phase, RequestId, RequestIds, TraceId};
use kit_transport_http::{
    NotConnected, Pool, PoolOptions,
    proxy::{Forwarded, Proxy, ProxyBody, Unproxied},
};
use std::{
    convert::Infallible,
    future::{pending, ready},
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, advance};
use tokio_stream::wrappers::{ReceiverStream, UnboundedReceiverStream};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{BoxError, Service, ServiceExt, service_fn};

type Reply = Response<UnsyncBoxBody<Bytes, BoxError>>;
type Asked<B = Empty<Bytes>> = Request<Forwarded<B>>;
type Frames = StreamBody<UnboundedReceiverStream<Result<Frame<Bytes>, BoxError>>>;

fn base() -> Uri {
    Uri::from_static("http://up.test:81/base")
}

fn reply(body: impl Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static) -> Reply {
    Response::new(body.map_err(Into::into).boxed_unsync())
}

fn said(text: &'static str) -> Reply {
    reply(Full::new(Bytes::from(text)))
}

/// An upstream that says what it is asked, and what it sees in `headers`.
fn mirror(
    headers: &'static [&'static str],
) -> impl Service<Asked, Response = Reply, Error = Infallible, Future: Send> + Clone {
    service_fn(move |request: Asked| {
        let mut seen = vec![format!("{} {}", request.method(), request.uri())];
        for name in headers {
            let values = request.headers().get_all(*name).iter();
            seen.extend(values.map(|value| format!("{name}={}", value.to_str().unwrap())));
        }
        ready(Ok(reply(Full::new(Bytes::from(seen.join(" "))))))
    })
}

fn get(uri: &str) -> Request<Empty<Bytes>> {
    Request::get(uri).body(Empty::new()).unwrap()
}

fn with(pairs: &[(&'static str, &'static str)]) -> Request<Empty<Bytes>> {
    let mut request = get("/x");
    for (name, value) in pairs {
        let (name, value) = (HeaderName::from_static(name), HeaderValue::from_static(value));
        request.headers_mut().append(name, value);
    }
    request
}

async fn text<B: Body<Data = Bytes, Error: std::fmt::Debug>>(response: Response<B>) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

/// What the upstream sees of `request` in `headers`.
async fn seen(headers: &'static [&'static str], request: Request<Empty<Bytes>>) -> String {
    text(Proxy::new(base(), mirror(headers)).unwrap().oneshot(request).await.unwrap()).await
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

    fn none_yet(&self) {
        assert!(self.0.lock().unwrap().is_empty());
    }
}

/// Frames that a test sends one by one.
fn frames() -> (tokio::sync::mpsc::UnboundedSender<Result<Frame<Bytes>, BoxError>>, Frames) {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    (sender, StreamBody::new(UnboundedReceiverStream::new(receiver)))
}

fn data(text: &'static str) -> Result<Frame<Bytes>, BoxError> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

// ===== there and back =====

#[tokio::test]
async fn a_request_goes_on_and_its_reply_comes_back() {
    let ends = Ends::default();
    let upstream = service_fn(|request: Asked<Full<Bytes>>| async {
        assert_eq!((request.method().as_str(), request.version()), ("POST", Version::HTTP_11));
        assert_eq!(request.uri(), "http://up.test:81/base/users/7?a=1");
        assert_eq!(request.headers()["host"], "up.test:81");
        assert_eq!(request.body().size_hint().exact(), Some(5));
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let mut reply = reply(Full::new(body));
        reply.headers_mut().insert("x-from", HeaderValue::from_static("up"));
        *reply.status_mut() = StatusCode::CREATED;
        *reply.version_mut() = Version::HTTP_2;
        Ok::<_, Infallible>(reply)
    });
    let proxy = Proxy::new(base(), upstream).unwrap().finally(ends.hook());
    let request = Request::post("http://front.test/users/7?a=1").version(Version::HTTP_2);
    let request = request.body(Full::new(Bytes::from("hello"))).unwrap();
    let response = proxy.oneshot(request).await.unwrap();
    assert_eq!((response.status(), response.version()), (StatusCode::CREATED, Version::HTTP_11));
    assert_eq!(response.headers()["x-from"], "up");
    ends.none_yet();
    assert_eq!(text(response).await, "hello");
    let end = ends.one();
    assert_eq!((end.outcome, end.status), (Outcome::Replied, Some(StatusCode::CREATED)));
    assert_eq!((end.received, end.sent), (5, 5));
}

#[tokio::test]
async fn the_path_is_joined_to_the_base_and_the_query_follows() {
    for (base, asked, there) in [
        ("http://up", "/", "http://up/"),
        ("http://up", "/a?b", "http://up/a?b"),
        ("http://up/", "/a/", "http://up/a/"),
        ("https://up/v1/", "/a%2Fb//c", "https://up/v1/a%2Fb//c"),
        ("http://up/v1?key=x", "/a", "http://up/v1/a?key=x"),
        ("http://up/v1?key=x", "/a?b=1", "http://up/v1/a?key=x&b=1"),
        ("http://up?key=x", "http://front/a", "http://up/a?key=x"),
        ("http://up/v1", "*", "http://up/v1/"),
        ("http://up/v1", "/a...b/.../%2e", "http://up/v1/a...b/.../%2e"),
        ("http://up/v1", "/a..;b/...;/;..", "http://up/v1/a..;b/...;/;.."),
    ] {
        let proxy = Proxy::new(Uri::from_static(base), mirror(&[])).unwrap();
        let response = proxy.oneshot(get(asked)).await.unwrap();
        assert_eq!(text(response).await, format!("GET {there}"));
    }
}

#[tokio::test]
async fn a_path_that_would_leave_the_base_is_refused() {
    for outside in [
        "/..",
        "/../admin",
        "/a/../../b",
        "/%2e%2E/b",
        "/.%2e",
        "/a%2f..%2fb",
        "/a/..%5Cb",
        "/a\\..\\b",
        "/..;/admin",
        "/a/..;v=1/../b",
        "/a/..;v=1",
        "/..%3b/admin",
        "/%2e%2e;/admin",
    ] {
        let mut request = get("/");
        *request.uri_mut() = match outside.parse() {
            Ok(uri) => uri,
            Err(_) => continue,
        };
        let never = service_fn(|_: Asked| {
            panic!("it may not go on");
            #[expect(unreachable_code, reason = "it says what the type is")]
            ready(Ok::<_, Infallible>(said("")))
        });
        let response = Proxy::new(base(), never).unwrap().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{outside}");
    }
}

#[test]
fn an_upstream_is_a_whole_uri() {
    for bad in ["/base", "up.test:81", "ftp://up.test", "http://user:secret@up.test/"] {
        let bad = Proxy::new(Uri::from_static(bad), ()).unwrap_err();
        assert!(bad.to_string().starts_with("not an upstream"), "{bad}");
        assert!(!bad.to_string().contains("secret"));
    }
}

// ===== headers =====

#[tokio::test]
async fn headers_of_one_connection_stay_behind() {
    const NAMES: &[&str] = &[
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-authentication-info",
        "te",
        "transfer-encoding",
        "upgrade",
        "x-named",
        "x-other",
        "x-kept",
        "trailer",
    ];
    let request = with(&[
        ("connection", "X-Named , upgrade,, bad name"),
        ("connection", "x-other"),
        ("x-named", "1"),
        ("x-other", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("proxy-authenticate", "Basic"),
        ("proxy-authorization", "Basic eA=="),
        ("proxy-authentication-info", "1"),
        ("te", "gzip;q=0.5"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("x-kept", "1"),
        ("trailer", "x-sum"),
    ]);
    assert_eq!(seen(NAMES, request).await, "GET http://up.test:81/base/x x-kept=1 trailer=x-sum");
    // That the caller reads trailers is true at every hop.
    let request = with(&[("te", "gzip, Trailers"), ("connection", "te")]);
    assert_eq!(
        seen(NAMES, request).await,
        "GET http://up.test:81/base/x connection=te te=trailers"
    );
    // HTTP/2, which is all that gRPC speaks, has no `Connection`.
    for grpc in ["application/grpc", "application/grpc+proto", "application/grpc;x=1"] {
        let request = with(&[("te", "trailers"), ("content-type", grpc)]);
        assert_eq!(seen(NAMES, request).await, "GET http://up.test:81/base/x te=trailers");
    }
    let request = with(&[("te", "trailers"), ("content-type", "application/grpc-web")]);
    assert!(seen(NAMES, request).await.ends_with(" connection=te te=trailers"));
}

#[tokio::test]
async fn headers_of_the_upstreams_connection_stay_behind_too() {
    let upstream = service_fn(|_: Asked| {
        let mut reply = said("");
        for (name, value) in [
            ("connection", "close, x-named"),
            ("x-named", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-authenticate", "Basic"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
        ] {
            reply.headers_mut().append(name, HeaderValue::from_static(value));
        }
        ready(Ok::<_, Infallible>(reply))
    });
    let response = Proxy::new(base(), upstream).unwrap().oneshot(get("/")).await.unwrap();
    let left: Vec<_> = response.headers().iter().collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
}

#[tokio::test]
async fn a_length_that_the_transfer_encoding_overrides_stays_behind() {
    let request = with(&[("content-length", "3"), ("transfer-encoding", "chunked")]);
    let upstream = service_fn(|request: Asked| {
        assert!(!request.headers().contains_key("content-length"));
        let mut reply = said("more than that");
        reply.headers_mut().insert("content-length", HeaderValue::from_static("4"));
        reply.headers_mut().insert("transfer-encoding", HeaderValue::from_static("chunked"));
        // Who removes what this names must have seen it before.
        reply.headers_mut().insert("connection", HeaderValue::from_static("transfer-encoding"));
        ready(Ok::<_, Infallible>(reply))
    });
    let response = Proxy::new(base(), upstream).unwrap().oneshot(request).await.unwrap();
    assert!(response.headers().is_empty(), "{:?}", response.headers());
    // One that says what the body is goes on.
    let request = with(&[("content-length", "0")]);
    assert!(seen(&["content-length"], request).await.ends_with(" content-length=0"));
}

#[tokio::test]
async fn cookies_become_one_field() {
    let mut request = with(&[("cookie", "a=1"), ("cookie", "b=2; c=3")]);
    let mut secret = HeaderValue::from_static("d=4");
    secret.set_sensitive(true);
    request.headers_mut().append("cookie", secret);
    let upstream = service_fn(|request: Asked| {
        let cookies: Vec<_> = request.headers().get_all("cookie").iter().collect();
        assert_eq!(cookies, ["a=1; b=2; c=3; d=4"]);
        assert!(cookies[0].is_sensitive(), "as its secret part");
        ready(Ok::<_, Infallible>(said("")))
    });
    Proxy::new(base(), upstream).unwrap().oneshot(request).await.unwrap();
    let one = with(&[("cookie", "a=1;b=2")]);
    assert!(seen(&["cookie"], one).await.ends_with(" cookie=a=1;b=2"));
}

const FORWARDED: &[&str] =
    &["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];

/// A request that claims to be forwarded.
fn claiming() -> Request<Empty<Bytes>> {
    let mut request = with(&[
        ("host", "front.test"),
        ("forwarded", "for=6.6.6.6"),
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-for", "7.7.7.7, 8.8.8.8"),
        ("x-forwarded-host", "evil.test"),
        ("x-forwarded-proto", "gopher"),
    ]);
    let peer: SocketAddr = "[2001:db8::1]:4711".parse().unwrap();
    request.extensions_mut().insert(Peer::from(peer));
    request
}

#[tokio::test]
async fn what_a_caller_claims_of_itself_is_not_believed() {
    assert_eq!(
        seen(FORWARDED, claiming()).await,
        "GET http://up.test:81/base/x x-forwarded-for=2001:db8::1 \
         x-forwarded-host=front.test x-forwarded-proto=http"
    );
    // Nor is it left out of the check by naming it in `Connection`.
    let mut request = claiming();
    let named = HeaderValue::from_static("x-forwarded-for, x-forwarded-proto, host");
    request.headers_mut().insert("connection", named);
    assert!(seen(FORWARDED, request).await.contains("x-forwarded-for=2001:db8::1"));
    // Over HTTP/2 the host is the URI's.
    assert_eq!(
        seen(FORWARDED, get("https://front.test:1/x")).await,
        "GET http://up.test:81/base/x x-forwarded-host=front.test:1 x-forwarded-proto=http"
    );
}

#[tokio::test]
async fn a_proxy_behind_another_believes_it_and_adds_its_peer() {
    let proxy = Proxy::new(base(), mirror(FORWARDED)).unwrap().trusting_forwarded().proto("https");
    let response = proxy.clone().oneshot(claiming()).await.unwrap();
    assert_eq!(
        text(response).await,
        "GET http://up.test:81/base/x forwarded=for=6.6.6.6 \
         x-forwarded-for=6.6.6.6, 7.7.7.7, 8.8.8.8, 2001:db8::1 \
         x-forwarded-host=evil.test x-forwarded-proto=gopher"
    );
    let response = proxy.oneshot(with(&[("host", "front.test")])).await.unwrap();
    assert!(text(response).await.ends_with("x-forwarded-host=front.test x-forwarded-proto=https"));
}

#[tokio::test]
async fn what_hooks_put_into_the_extensions_goes_on() {
    let proxy = Proxy::new(base(), mirror(&["x-request-id", "x-md-global-tenant"])).unwrap();
    let proxy = proxy
        .route("/x")
        .hook(RequestIds)
        .before(|call, extensions| {
            assert_eq!((call.method, call.route), ("GET", Some("/x")));
            assert!(extensions.get::<RequestId>().is_some(), "the first hook's is here");
            extensions.insert(RequestId::new(&HeaderValue::from_static("mine")).unwrap());
            let mut metadata = Metadata::new();
            let tenant = HeaderName::from_static("x-md-global-tenant");
            metadata.insert(tenant, HeaderValue::from_static("blue")).unwrap();
            extensions.insert(metadata);
        })
        .after(|headers| {
            headers.insert("x-after", HeaderValue::from_static("1"));
        });
    // The id of the caller is no valid one, and must not go on.
    let response = proxy.oneshot(with(&[("x-request-id", "bad id!")])).await.unwrap();
    assert!(response.headers().contains_key("x-request-id"));
    assert_eq!(response.headers()["x-after"], "1");
    assert!(text(response).await.ends_with(" x-request-id=mine x-md-global-tenant=blue"));
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_the_deadline_goes_on() {
    const NAMES: &[&str] = &["x-request-timeout-ms", "grpc-timeout", "x-budget"];
    for (given, went_on) in [
        (&[("x-request-timeout-ms", "1500")][..], "x-request-timeout-ms=1500"),
        (&[("grpc-timeout", "2S")], "grpc-timeout=2S"),
        (
            &[("grpc-timeout", "2S"), ("x-request-timeout-ms", "300")],
            "x-request-timeout-ms=300 grpc-timeout=300000u",
        ),
        (&[("x-budget", "7")], "x-budget=7"),
    ] {
        let expected = format!("GET http://up.test:81/base/x {went_on}");
        assert_eq!(seen(NAMES, with(given)).await.replace("300000000n", "300000u"), expected);
    }
    // A deadline that a layer outside keeps.
    let mut request = get("/x");
    request.extensions_mut().insert(Expires(Instant::now() + Duration::from_millis(90)));
    assert!(seen(NAMES, request).await.ends_with("x-request-timeout-ms=90"));
    let proxy = Proxy::new(base(), mirror(NAMES)).unwrap();
    let proxy = proxy.timeout_header(HeaderName::from_static("x-budget"));
    let response = proxy.oneshot(with(&[("x-budget", "40")])).await.unwrap();
    assert!(text(response).await.ends_with(" x-budget=40"));
}

// ===== failures =====

/// What the caller is told, the end that hooks see, and the fault they hear.
async fn failing<B>(
    upstream: impl Service<Asked<B>, Response = Reply, Error: Into<BoxError>> + Clone,
    request: Request<B>,
) -> (StatusCode, serde_json::Value, End)
where
    B: Body<Error: Into<BoxError>>,
{
    let ends = Ends::default();
    let proxy = Proxy::new(base(), upstream).unwrap().finally(ends.hook());
    let response = proxy.oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let status = response.status();
    let problem: serde_json::Value = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!(problem["status"], status.as_u16(), "{problem}");
    let end = ends.one();
    assert_eq!(end.status, Some(status));
    (status, problem, end)
}

#[tokio::test]
async fn an_upstream_without_a_connection_is_502() {
    let down = service_fn(|_: Asked| {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        ready(Err::<Reply, _>(NotConnected::Unreachable(Arc::new(refused))))
    });
    let (status, problem, end) = failing(down, get("/")).await;
    assert_eq!((status.as_u16(), &problem["title"]), (502, &"Bad Gateway".into()));
    assert_eq!(problem["kind"], "UNAVAILABLE", "so callers of ours may try again");
    assert_eq!(problem["detail"], "service unavailable", "and nothing is told of the inside");
    assert_eq!(end.outcome, Outcome::Failed(Kind::Unavailable));
    assert_eq!(end.error.as_deref(), Some("cannot connect to the server: connection refused"));
}

#[tokio::test]
async fn an_upstream_that_breaks_off_or_switches_is_502() {
    let broken = service_fn(|_: Asked| ready(Err::<Reply, BoxError>("reset".into())));
    let (status, _, end) = failing(broken, get("/")).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert_eq!(end.error.as_deref(), Some("the connection to the upstream broke: reset"));

    let switching = service_fn(|_: Asked| {
        let mut reply = said("");
        *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        ready(Ok::<_, Infallible>(reply))
    });
    assert_eq!(failing(switching, get("/")).await.0, StatusCode::BAD_GATEWAY);
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_is_too_slow_is_504() {
    let slow = service_fn(|_: Asked| {
        let limit = Duration::from_secs(1);
        ready(Err::<Reply, _>(NotConnected::TimedOut { limit }))
    });
    let (status, problem, _) = failing(slow, get("/")).await;
    assert_eq!((status.as_u16(), &problem["kind"]), (504, &"DEADLINE_EXCEEDED".into()));

    let silent = service_fn(|_: Asked| pending::<Result<Reply, BoxError>>());
    let started = Instant::now();
    let (status, _, end) = failing(silent, get("/")).await;
    assert_eq!((status.as_u16(), started.elapsed()), (504, Duration::from_mins(1)));
    assert_eq!(end.error.as_deref(), Some("no reply of the upstream within 60s"));

    let started = Instant::now();
    let (status, ..) = failing(silent, with(&[("x-request-timeout-ms", "250")])).await;
    assert_eq!((status.as_u16(), started.elapsed()), (504, Duration::from_millis(250)));
    let (status, _, end) = failing(silent, with(&[("x-request-timeout-ms", "0")])).await;
    assert_eq!(status.as_u16(), 504);
    assert!(end.error.unwrap().starts_with("too little time was left"), "nothing was sent");
}

#[tokio::test]
async fn what_cannot_be_passed_on_is_the_callers_fault() {
    let (status, problem, _) = failing(mirror(&[]), with(&[("grpc-timeout", "soon")])).await;
    assert_eq!(
        (status.as_u16(), &problem["violations"][0]["field"]),
        (400, &"grpc-timeout".into())
    );
    let tunnel = Request::connect("front.test:443").body(Empty::new()).unwrap();
    assert_eq!(failing(mirror(&[]), tunnel).await.0, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_failure_of_the_upstream_comes_back_as_it_is() {
    for status in [404, 500, 502, 503] {
        let ends = Ends::default();
        let upstream = service_fn(move |_: Asked| {
            let mut reply = said("no such page");
            *reply.status_mut() = StatusCode::from_u16(status).unwrap();
            ready(Ok::<_, Infallible>(reply))
        });
        let proxy = Proxy::new(base(), upstream).unwrap().finally(ends.hook());
        let response = proxy.oneshot(get("/")).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(text(response).await, "no such page");
        assert_eq!(ends.one().outcome, Outcome::Replied);
    }
}

#[tokio::test]
async fn an_error_encoder_sees_the_fault_itself() {
    let down = service_fn(|_: Asked| ready(Err::<Reply, _>(NotConnected::Scheme)));
    let proxy = Proxy::new(base(), down).unwrap().encode_error(|failure| {
        let fault: &dyn std::error::Error = failure.fault;
        let unproxied = fault.downcast_ref::<Unproxied>().unwrap();
        assert!(unproxied.is_bad_gateway() && unproxied.refused());
        Response::builder().status(418).body(Bytes::from("teapot")).unwrap()
    });
    let response = proxy.oneshot(get("/")).await.unwrap();
    assert_eq!((response.status().as_u16(), text(response).await.as_str()), (418, "teapot"));
}

// ===== bodies =====

#[tokio::test]
async fn bodies_go_both_ways_as_they_come_and_no_faster() {
    let ends = Ends::default();
    // The upstream sends back each frame that it asked for.
    let upstream = service_fn(|request: Asked<_>| {
        let echo = request.into_body().map_err(|error: BoxError| error);
        ready(Ok::<_, Infallible>(reply(echo)))
    });
    let (caller, request) = tokio::sync::mpsc::channel::<Result<Frame<Bytes>, BoxError>>(1);
    let request = Request::post("/").body(StreamBody::new(ReceiverStream::new(request))).unwrap();
    let proxy = Proxy::new(base(), upstream).unwrap().finally(ends.hook());
    let mut body = proxy.oneshot(request).await.unwrap().into_body();
    for part in ["four", "more"] {
        assert_pending!(task::spawn(body.frame()).poll());
        caller.try_send(data(part)).unwrap();
        caller.try_send(data("early")).expect_err("nothing is read before it is asked for");
        let frame = assert_ready!(task::spawn(body.frame()).poll()).unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), part);
        ends.none_yet();
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("8"));
    caller.try_send(Ok(Frame::trailers(trailers))).unwrap();
    let frame = body.frame().await.unwrap().unwrap();
    assert_eq!(frame.trailers_ref().unwrap()["x-sum"], "8");
    let end = ends.one();
    assert_eq!((end.outcome, end.received, end.sent), (Outcome::Replied, 8, 8));
}

#[tokio::test]
async fn trailers_go_on_without_what_the_proxy_decides_of_headers() {
    fn trailers(of: &'static str) -> Result<Frame<Bytes>, BoxError> {
        let mut trailers = HeaderMap::new();
        for name in [
            "connection",
            "x-named",
            "te",
            "transfer-encoding",
            "upgrade",
            "proxy-authorization",
            "content-length",
            "host",
            "x-request-id",
        ]
        .iter()
        .chain(FORWARDED)
        {
            trailers.insert(*name, HeaderValue::from_static("x-named"));
        }
        trailers.append("x-sum", HeaderValue::from_static(of));
        trailers.append("x-sum", HeaderValue::from_static("2"));
        Ok(Frame::trailers(trailers))
    }
    let upstream = service_fn(|request: Asked<Frames>| async {
        let asked = request.into_body().collect().await.unwrap();
        let asked = asked.trailers().unwrap();
        assert_eq!(asked.keys().collect::<Vec<_>>(), ["x-sum"]);
        assert_eq!(asked.get_all("x-sum").iter().collect::<Vec<_>>(), ["request", "2"]);
        let (upstream, body) = frames();
        upstream.send(trailers("reply")).unwrap();
        Ok::<_, Infallible>(reply(body))
    });
    let (caller, body) = frames();
    caller.send(data("four")).unwrap();
    caller.send(trailers("request")).unwrap();
    drop(caller);
    // Also where what headers claim is believed.
    let proxy = Proxy::new(base(), upstream).unwrap().trusting_forwarded();
    let response = proxy.oneshot(Request::post("/").body(body).unwrap()).await.unwrap();
    let replied = response.into_body().collect().await.unwrap();
    let replied = replied.trailers().unwrap();
    assert_eq!(replied.keys().collect::<Vec<_>>(), ["x-sum"]);
    assert_eq!(replied.get_all("x-sum").iter().collect::<Vec<_>>(), ["reply", "2"]);
}

/// An upstream whose reply is `body`, once.
fn once(
    body: impl Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
) -> impl Service<Asked, Response = Reply, Error = Infallible, Future: Send> + Clone {
    let body = Arc::new(Mutex::new(Some(body)));
    service_fn(move |_: Asked| ready(Ok(reply(body.lock().unwrap().take().unwrap()))))
}

#[tokio::test]
async fn a_reply_that_breaks_off_breaks_off_for_the_caller() {
    let (ends, (upstream, body)) = (Ends::default(), frames());
    let proxy = Proxy::new(base(), once(body)).unwrap().finally(ends.hook());
    let mut body = proxy.oneshot(get("/")).await.unwrap().into_body();
    upstream.send(data("four")).unwrap();
    upstream.send(Err("reset".into())).unwrap();
    body.frame().await.unwrap().unwrap();
    let error = body.frame().await.unwrap().unwrap_err();
    assert!(matches!(error, Unproxied::Upstream(_)), "{error:?}");
    drop(body);
    let end = ends.one();
    assert_eq!((end.outcome, end.sent), (Outcome::Failed(Kind::Unavailable), 4));
    assert_eq!(end.error.as_deref(), Some("the connection to the upstream broke: reset"));
}

#[tokio::test]
async fn a_caller_that_leaves_gives_the_upstream_up() {
    let (ends, (upstream, body)) = (Ends::default(), frames());
    let proxy = Proxy::new(base(), once(body)).unwrap().finally(ends.hook());
    let mut body = proxy.oneshot(get("/")).await.unwrap().into_body();
    upstream.send(data("four")).unwrap();
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert!(upstream.is_closed(), "what is left of the reply is dropped");
    let end = ends.one();
    assert_eq!((end.outcome, end.sent), (Outcome::Cancelled, 4));

    let ends = Ends::default();
    let silent = service_fn(|_: Asked| pending::<Result<Reply, BoxError>>());
    let mut proxy = Proxy::new(base(), silent).unwrap().finally(ends.hook());
    let mut call = task::spawn(proxy.call(get("/")));
    assert_pending!(call.poll());
    drop(call);
    assert_eq!((ends.one().outcome, ends.one().status), (Outcome::Cancelled, None));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_cuts_a_reply_that_stalls() {
    let (ends, (upstream, body)) = (Ends::default(), frames());
    let proxy = Proxy::new(base(), once(body)).unwrap().finally(ends.hook());
    let request = with(&[("x-request-timeout-ms", "500")]);
    let started = Instant::now();
    let mut body = proxy.oneshot(request).await.unwrap().into_body();
    upstream.send(data("four")).unwrap();
    body.frame().await.unwrap().unwrap();
    let error = body.frame().await.unwrap().unwrap_err();
    assert!(matches!(error, Unproxied::Expired(_)), "{error:?}");
    assert_eq!(started.elapsed(), Duration::from_millis(500));
    assert_eq!(ends.one().outcome, Outcome::Failed(Kind::DeadlineExceeded));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_cuts_a_reply_that_always_has_more() {
    let body = StreamBody::new(tokio_stream::iter(std::iter::repeat_with(|| data("more"))));
    let proxy = Proxy::new(base(), once(body)).unwrap();
    let request = with(&[("x-request-timeout-ms", "500")]);
    let mut body = proxy.oneshot(request).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    advance(Duration::from_millis(500)).await;
    let error = body.frame().await.unwrap().unwrap_err();
    assert!(matches!(error, Unproxied::Expired(_)), "{error:?}");
}

#[tokio::test]
async fn the_trace_is_named_where_the_proxy_fails() {
    let down = service_fn(|_: Asked| ready(Err::<Reply, _>(BoxError::from("reset"))));
    let name = |_: &Call<'_>, extensions: &mut Extensions| {
        extensions.insert(TraceId::new([7; 16]));
    };
    let proxy = Proxy::new(base(), down).unwrap().before(name);
    let response = proxy.oneshot(get("/")).await.unwrap();
    let problem: serde_json::Value = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!(problem["traceId"], "07".repeat(16));
}

#[tokio::test]
async fn a_request_that_breaks_off_is_not_the_upstreams_fault() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let upstream = service_fn(|request: Asked<Frames>| async {
        let error = request.into_body().collect().await.unwrap_err();
        Err::<Reply, BoxError>(format!("sending: {error}").into())
    });
    let (caller, body) = frames();
    caller.send(data("four")).unwrap();
    caller.send(Err("gone".into())).unwrap();
    let ends = Ends::default();
    let proxy =
        Proxy::new(base(), upstream).unwrap().finally(ends.hook()).hook(Faults(heard.clone()));
    let request = Request::post("/").body(body).unwrap();
    let response = proxy.oneshot(request).await.unwrap();
    assert_eq!(response.status().as_u16(), 499);
    drop(response);
    assert_eq!((ends.one().outcome, ends.one().received), (Outcome::Cancelled, 4));
    let heard = heard.lock().unwrap();
    assert_eq!(*heard, [(Phase::Decode, Kind::Cancelled)]);
}

#[tokio::test]
async fn what_a_limit_cut_off_is_no_caller_that_left() {
    let upstream = service_fn(|request: Asked<Frames>| async {
        Err::<Reply, BoxError>(request.into_body().collect().await.unwrap_err())
    });
    for (cut, status) in [(BodyCut::TooLarge, 413), (BodyCut::TooSlow, 504)] {
        let (caller, body) = frames();
        caller.send(Err(cut.into())).unwrap();
        let request = Request::post("/").body(body).unwrap();
        let (told, ..) = failing(upstream, request).await;
        assert_eq!(told.as_u16(), status);
    }
}

/// Hears faults and their steps.
#[derive(Clone)]
struct Faults(Arc<Mutex<Vec<(Phase, Kind)>>>);

impl kit_transport::Hook for Faults {
    type Observer = Self;

    fn before(&self, _: &Call<'_>, _: &mut Extensions) -> Self {
        self.clone()
    }
}

impl kit_transport::Observer for Faults {
    fn fault(&mut self, fault: &dyn Fault, phase: Phase) {
        self.0.lock().unwrap().push((phase, fault.kind()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_still_sends_is_not_waiting() {
    let upstream = service_fn(|request: Asked<Frames>| async {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Ok::<_, Infallible>(reply(Full::new(body)))
    });
    let (caller, body) = frames();
    tokio::spawn(async move {
        for part in ["a", "b", "c"] {
            tokio::time::sleep(Duration::from_secs(50)).await;
            caller.send(data(part)).unwrap();
        }
    });
    let proxy = Proxy::new(base(), upstream).unwrap();
    let response = proxy.oneshot(Request::post("/").body(body).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(text(response).await, "abc");
}

#[tokio::test]
async fn a_reply_whose_body_is_not_sent_is_over_with_its_head() {
    let head = Request::head("/").body(Empty::new()).unwrap();
    for (request, status) in [(head, 200), (get("/"), 204), (get("/"), 304)] {
        let ends = Ends::default();
        let upstream = service_fn(move |_: Asked| {
            let mut reply = said("ignored");
            *reply.status_mut() = StatusCode::from_u16(status).unwrap();
            ready(Ok::<_, Infallible>(reply))
        });
        let proxy = Proxy::new(base(), upstream).unwrap().finally(ends.hook());
        let response = proxy.oneshot(request).await.unwrap();
        assert_eq!((ends.one().outcome, ends.one().sent), (Outcome::Replied, 0));
        assert!(response.body().is_end_stream(), "over HTTP/2 hyper would send it");
        assert_eq!(response.body().size_hint().exact(), Some(0), "else it would be compressed");
        assert_eq!(text(response).await, "");
        ends.one();
    }
}

#[tokio::test]
async fn a_status_of_grpc_in_the_trailers_is_the_outcome() {
    for (status, outcome) in [
        ("0", Outcome::Replied),
        ("5", Outcome::Failed(Kind::NotFound)),
        ("five", Outcome::Failed(Kind::Unknown)),
    ] {
        let (ends, (upstream, body)) = (Ends::default(), frames());
        let proxy = Proxy::new(base(), once(body)).unwrap().finally(ends.hook());
        let response = proxy.oneshot(get("/")).await.unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static(status));
        upstream.send(Ok(Frame::trailers(trailers))).unwrap();
        drop(upstream);
        response.into_body().collect().await.unwrap();
        assert_eq!(ends.one().outcome, outcome);
    }
}

#[test]
fn everything_can_be_sent_and_shared() {
    fn assert_send_sync<T: Send + Sync>() {}
    fn assert_send<T: Send>() {}
    assert_send_sync::<Proxy<Pool<Forwarded<Full<Bytes>>>>>();
    assert_send_sync::<Unproxied>();
    assert_send::<ProxyBody<Full<Bytes>>>();
    assert_send::<<Proxy<Pool<Forwarded<Full<Bytes>>>> as Service<Request<Full<Bytes>>>>::Future>();
}

// ===== over hyper =====

/// What an upstream sees of `request` over hyper: `names` of its headers, and
/// its body.
async fn over_hyper<B>(http2: bool, names: &'static [&'static str], request: Request<B>) -> String
where
    B: Body<Data = Bytes, Error = BoxError> + Send + Unpin + 'static,
{
    use hyper::client::conn;
    use hyper_util::{
        rt::{TokioExecutor, TokioIo},
        server::conn::auto::Builder,
        service::TowerToHyperService,
    };

    let hyper = service_fn(move |request: Asked<B>| async move {
        let (near, far) = tokio::io::duplex(4096);
        tokio::spawn(async move {
            let echo = service_fn(move |request: Request<hyper::body::Incoming>| async move {
                let mut seen = vec![format!("{:?}", request.version())];
                for name in names {
                    let values = request.headers().get_all(*name).iter();
                    seen.extend(values.map(|value| format!("{name}={}", value.to_str().unwrap())));
                }
                let body = request.into_body().collect().await.unwrap().to_bytes();
                seen.push(String::from_utf8(body.to_vec()).unwrap());
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(seen.join(" ")))))
            });
            let builder = Builder::new(TokioExecutor::new());
            let echo = TowerToHyperService::new(echo);
            // Whether the connection ends well is the client's to tell.
            let _ = builder.serve_connection(TokioIo::new(far), echo).await;
        });
        if http2 {
            let (mut sender, connection) =
                conn::http2::handshake(TokioExecutor::new(), TokioIo::new(near)).await?;
            tokio::spawn(connection);
            sender.send_request(request).await
        } else {
            let (mut sender, connection) = conn::http1::handshake(TokioIo::new(near)).await?;
            tokio::spawn(connection);
            sender.send_request(request).await
        }
    });
    text(Proxy::new(base(), hyper).unwrap().oneshot(request).await.unwrap()).await
}

#[tokio::test]
async fn a_get_with_a_body_of_unknown_length_keeps_it() {
    fn get() -> Request<Frames> {
        let (caller, body) = frames();
        caller.send(data("four")).unwrap();
        Request::get("/").body(body).unwrap()
    }
    const NAMES: &[&str] = &["content-length", "transfer-encoding"];
    let seen = over_hyper(false, NAMES, get()).await;
    assert_eq!(seen, "HTTP/1.1 transfer-encoding=chunked four");
    assert_eq!(over_hyper(true, NAMES, get()).await, "HTTP/2.0 four");
    // A length that a body around the caller's forgot is still known.
    let mut request = get();
    request.headers_mut().insert("content-length", HeaderValue::from_static("4"));
    assert_eq!(over_hyper(false, NAMES, request).await, "HTTP/1.1 content-length=4 four");
    // One without a body stays without.
    let none = Full::default().map_err(|never: Infallible| match never {});
    assert_eq!(over_hyper(false, NAMES, Request::new(none)).await, "HTTP/1.1 ");
    let upstream = service_fn(|request: Asked<Over>| {
        assert!(!request.headers().contains_key("transfer-encoding"));
        ready(Ok::<_, Infallible>(said("")))
    });
    Proxy::new(base(), upstream).unwrap().oneshot(Request::new(Over)).await.unwrap();
}

/// A body that is over, and does not say that its length is 0.
struct Over;

impl Body for Over {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn that_trailers_are_read_is_heard_over_both_versions() {
    const NAMES: &[&str] = &["connection", "te"];
    for (http2, kind, heard) in [
        (false, "text/plain", "HTTP/1.1 connection=te te=trailers "),
        (true, "application/grpc", "HTTP/2.0 te=trailers "),
    ] {
        let body = Full::default().map_err(|never: Infallible| match never {});
        let request = Request::get("/").header("te", "trailers").header("content-type", kind);
        assert_eq!(over_hyper(http2, NAMES, request.body(body).unwrap()).await, heard);
    }
}

// ===== over sockets =====

#[tokio::test]
async fn over_the_pool_an_upstream_is_called_by_its_own_name() {
    use hyper_util::{rt::TokioIo, server::conn::auto::Builder, service::TowerToHyperService};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let service = service_fn(|request: Request<hyper::body::Incoming>| async move {
            let host = request.headers()["host"].to_str().unwrap().to_owned();
            let target = format!("{host}{} {:?} ", request.uri(), request.version());
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let body = [target.as_bytes(), &body].concat();
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(body))))
        });
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service);
            let builder = Builder::new(hyper_util::rt::TokioExecutor::new());
            // Whether the connection ends well is the client's to tell.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        }
    });
    let pool = Pool::new(PoolOptions::new());
    let proxy = Proxy::new(format!("http://{address}/v1").parse().unwrap(), pool).unwrap();
    let request = Request::put("https://front.test/a?b").version(Version::HTTP_2);
    let request = request.body(Full::new(Bytes::from("body"))).unwrap();
    let response = proxy.oneshot(request).await.unwrap();
    assert_eq!(text(response).await, format!("{address}/v1/a?b HTTP/1.1 body"));
}
