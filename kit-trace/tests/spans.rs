//! What spans are opened for calls, what they say, and when they end.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use kit_endpoint::{Expired, Fault, Kind, Peer, Request as Asks};
use kit_trace::{
    ClientSpanLayer, Ids, ServerSpanLayer, SpanLayer, TraceContext, Trust,
    span::{Boxed, Resent, Sourced},
};
use std::{
    convert::Infallible,
    error::Error,
    future::{pending, poll_fn},
    net::SocketAddr,
    task::Poll,
};
use support::{Nothing, Spans, get, headers, hop, hop_by, listening, seen};
use tokio_stream::iter;
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};

const PARENT: &str = "00-12345678901234567890123456789012-1234567890123456-01";

type Reply = Response<Full<Bytes>>;

fn ok(text: &'static str) -> Reply {
    Response::new(Full::new(Bytes::from(text)))
}

/// A service that answers `status`.
fn answers(
    status: u16,
) -> impl Service<Request<Nothing>, Response = Reply, Error = Infallible> + Clone {
    service_fn(move |_| async move {
        let mut reply = ok("said");
        *reply.status_mut() = StatusCode::from_u16(status).unwrap();
        Ok(reply)
    })
}

fn grpc(path: &str) -> Request<Nothing> {
    let mut request = Request::post(path).body(Nothing::new()).unwrap();
    request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    *request.version_mut() = Version::HTTP_2;
    request
}

/// A reply with a message and a status in its trailers.
fn said(status: &'static str) -> Response<impl Body<Data = Bytes, Error = Infallible>> {
    let frames = [
        Ok(Frame::data(Bytes::from("message"))),
        Ok(Frame::trailers(headers(&[("grpc-status", status)]))),
    ];
    Response::new(StreamBody::new(iter(frames)))
}

// ===== the server's =====

#[tokio::test]
async fn a_request_has_a_span_by_the_conventions() {
    let spans = Spans::default();
    let _listening = spans.listen();
    let mut request = Request::get("/users/7?name=Ada&sig=secret").body(Nothing::new()).unwrap();
    request.headers_mut().insert("host", "greeter.example:9110".parse().unwrap());
    request.headers_mut().insert("user-agent", "curl/8".parse().unwrap());
    let peer: SocketAddr = "192.0.2.7:5001".parse().unwrap();
    request.extensions_mut().insert(Peer::from(peer));
    let server = ServerSpanLayer::new().layer(answers(200));
    let reply = server.oneshot(request).await.unwrap();
    assert!(!spans.only().closed, "the body is open");
    reply.into_body().collect().await.unwrap();
    let span = spans.only();
    assert!(span.closed);
    for (field, value) in [
        ("otel.name", "GET"),
        ("otel.kind", "server"),
        ("http.request.method", "GET"),
        ("url.scheme", "http"),
        ("url.path", "/users/7"),
        ("url.query", "name=Ada&sig=REDACTED"),
        ("http.response.status_code", "200"),
        ("network.protocol.version", "1.1"),
        ("network.peer.address", "192.0.2.7"),
        ("network.peer.port", "5001"),
        ("client.address", "192.0.2.7"),
        ("server.address", "greeter.example"),
        ("server.port", "9110"),
    ] {
        assert_eq!(span.field(field), Some(value), "{field}");
    }
    for field in ["error.type", "otel.status_code", "http.route", "user_agent.original"] {
        assert_eq!(span.field(field), None, "{field}");
    }
}

#[tokio::test]
async fn what_is_asked_for_is_recorded() {
    let spans = Spans::default();
    let _listening = spans.listen();
    let mut request = get(headers(&[("user-agent", "curl/8")]));
    *request.method_mut() = Method::from_bytes(b"BREW").unwrap();
    let server = ServerSpanLayer::new().user_agent(true).layer(answers(200));
    drop(server.oneshot(request).await.unwrap());
    let span = spans.only();
    assert_eq!(span.field("user_agent.original"), Some("curl/8"));
    assert_eq!(span.field("otel.name"), Some("HTTP"));
    assert_eq!(span.field("http.request.method"), Some("_OTHER"));
    assert_eq!(span.field("http.request.method_original"), Some("BREW"));
}

#[tokio::test]
async fn at_a_server_only_its_own_failures_are_errors() {
    for (status, error) in
        [(200, None), (404, None), (499, None), (500, Some("500")), (503, Some("503"))]
    {
        let spans = Spans::default();
        let _listening = spans.listen();
        let reply =
            ServerSpanLayer::new().layer(answers(status)).oneshot(get(HeaderMap::new())).await;
        reply.unwrap().into_body().collect().await.unwrap();
        let span = spans.only();
        assert_eq!(span.field("error.type"), error, "{status}");
        assert_eq!(span.field("otel.status_code"), error.map(|_| "ERROR"), "{status}");
    }
}

#[tokio::test]
async fn a_route_names_the_span() {
    let spans = Spans::default();
    let _listening = spans.listen();
    let routed = service_fn(|request: Request<Nothing>| async move {
        tokio::task::yield_now().await;
        kit_trace::span::route(request.method(), "/users/{id}");
        Ok::<_, Infallible>(ok(""))
    });
    ServerSpanLayer::new().layer(routed).oneshot(get(HeaderMap::new())).await.unwrap();
    let span = spans.only();
    assert_eq!(span.field("otel.name"), Some("GET /users/{id}"));
    assert_eq!(span.field("http.route"), Some("/users/{id}"));
    assert!(span.closed, "there is no body");
}

#[tokio::test]
async fn a_call_over_grpc_ends_with_its_trailers() {
    for (status, code, error) in [
        ("0", "OK", None),
        ("5", "NOT_FOUND", None),
        ("3", "INVALID_ARGUMENT", None),
        ("2", "UNKNOWN", Some("UNKNOWN")),
        ("4", "DEADLINE_EXCEEDED", Some("DEADLINE_EXCEEDED")),
        ("12", "UNIMPLEMENTED", Some("UNIMPLEMENTED")),
        ("13", "INTERNAL", Some("INTERNAL")),
        ("14", "UNAVAILABLE", Some("UNAVAILABLE")),
        ("15", "DATA_LOSS", Some("DATA_LOSS")),
    ] {
        let spans = Spans::default();
        let _listening = spans.listen();
        let service = service_fn(move |_| async move { Ok::<_, Infallible>(said(status)) });
        let request = grpc("/greeter.v1.Greeter/Greeting");
        let reply = ServerSpanLayer::new().layer(service).oneshot(request).await.unwrap();
        assert_eq!(spans.only().field("rpc.response.status_code"), None);
        reply.into_body().collect().await.unwrap();
        let span = spans.only();
        assert!(span.closed && span.entered > 1, "{span:?}");
        assert_eq!(span.field("otel.name"), Some("greeter.v1.Greeter/Greeting"));
        assert_eq!(span.field("rpc.system.name"), Some("grpc"));
        assert_eq!(span.field("rpc.method"), Some("greeter.v1.Greeter/Greeting"));
        assert_eq!(span.field("rpc.response.status_code"), Some(code));
        assert_eq!(span.field("error.type"), error);
        assert_eq!(span.field("otel.status_code"), error.map(|_| "ERROR"));
    }
}

#[tokio::test]
async fn a_status_in_the_head_is_the_end() {
    let spans = Spans::default();
    let _listening = spans.listen();
    let service = service_fn(|_| async {
        let mut reply = Response::new(Nothing::new());
        *reply.headers_mut() = headers(&[("grpc-status", "14")]);
        Ok::<_, Infallible>(reply)
    });
    ServerSpanLayer::new().layer(service).oneshot(grpc("/a.B/C")).await.unwrap();
    let span = spans.only();
    assert_eq!((span.field("error.type"), span.closed), (Some("UNAVAILABLE"), true));
}

#[tokio::test]
async fn what_nobody_waits_for_is_cancelled() {
    let spans = Spans::default();
    let _listening = spans.listen();
    let never = service_fn(|_: Request<Nothing>| pending::<Result<Reply, Infallible>>());
    let mut call = Box::pin(ServerSpanLayer::new().layer(never).oneshot(get(HeaderMap::new())));
    assert!(poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending())).await);
    drop(call);
    let reply = ServerSpanLayer::new().layer(answers(200)).oneshot(get(HeaderMap::new())).await;
    drop(reply.unwrap());
    for span in spans.all() {
        assert_eq!((span.field("error.type"), span.closed), (Some("CANCELLED"), true));
        assert_eq!(span.field("otel.status_code"), None, "a caller may leave");
    }
}

#[tokio::test]
async fn the_span_is_open_at_each_poll() {
    let spans = Spans::default();
    let _listening = spans.listen();
    let service = service_fn(|_: Request<Nothing>| async {
        assert_eq!(name(), Some("server"));
        tokio::task::yield_now().await;
        assert_eq!(name(), Some("server"));
        let frames = tokio_stream::StreamExt::map(iter(0..2), |_| {
            assert_eq!(name(), Some("server"));
            Ok::<_, Infallible>(Frame::data(Bytes::from("x")))
        });
        Ok::<_, Infallible>(Response::new(StreamBody::new(frames)))
    });
    let reply = ServerSpanLayer::new().layer(service).oneshot(get(HeaderMap::new())).await;
    assert_eq!(name(), None);
    assert_eq!(reply.unwrap().into_body().collect().await.unwrap().to_bytes(), "xx");
    assert_eq!(name(), None);
}

fn name() -> Option<&'static str> {
    tracing::Span::current().metadata().map(tracing::Metadata::name)
}

// ===== trust =====

#[tokio::test]
async fn whom_nobody_trusts_begins_a_trace() {
    let _listening = listening();
    let came = || get(headers(&[("traceparent", PARENT), ("tracestate", "a=1")]));
    let context = seen(ServerSpanLayer::new(), came()).await.unwrap();
    assert_eq!(context.trace_id().to_string(), PARENT[3..35]);
    assert_eq!(context.state().as_str(), "a=1");
    assert!(!context.is_remote());
    let context = seen(ServerSpanLayer::new().trust(Trust::none()), came()).await.unwrap();
    assert_ne!(context.trace_id().to_string(), PARENT[3..35]);
    assert!(context.state().is_empty());
    let ours = Trust::by(|peer, _| {
        peer.and_then(|peer| peer.addr()).is_some_and(|addr| addr.ip().is_loopback())
    });
    for (addr, trusted) in [("127.0.0.1:1", true), ("192.0.2.1:1", false)] {
        let mut request = came();
        request.extensions_mut().insert(Peer::from(addr.parse::<SocketAddr>().unwrap()));
        let context = seen(ServerSpanLayer::new().trust(ours.clone()), request).await.unwrap();
        assert_eq!(context.trace_id().to_string() == PARENT[3..35], trusted, "{addr}");
    }
}

// ===== unwanted =====

#[tokio::test]
async fn a_layer_that_is_off_passes_the_context_on() {
    let _listening = listening();
    let (server, client) = (ServerSpanLayer::new(), ClientSpanLayer::new());
    let (server, client) = (server.enabled(false), client.enabled(false));
    let sent = hop_by(server, client, headers(&[("traceparent", PARENT)]), 1).await;
    assert_eq!(sent[0]["traceparent"], PARENT);
}

#[tokio::test]
async fn so_does_one_that_a_filter_turns_off() {
    use tracing_subscriber::{filter::Targets, layer::SubscriberExt as _, registry};
    let off = Targets::new().with_default(tracing::Level::TRACE).with_target("kit_trace", None);
    let _off = tracing::subscriber::set_default(registry().with(off));
    let sent = hop(headers(&[("traceparent", PARENT)]), 1).await;
    assert_eq!(sent[0]["traceparent"], PARENT);
    assert!(!hop(HeaderMap::new(), 1).await[0].contains_key("traceparent"));
}

// ===== the client's =====

#[tokio::test]
async fn a_call_has_a_span_by_the_conventions() {
    let spans = Spans::default();
    let _listening = spans.listen();
    let mut request = get(HeaderMap::new());
    *request.uri_mut() =
        "http://ada:secret@greeter.example/greeting?name=Ada&Signature=s".parse().unwrap();
    request.extensions_mut().insert(Resent(2));
    let reply = ClientSpanLayer::new().layer(answers(404)).oneshot(request).await.unwrap();
    reply.into_body().collect().await.unwrap();
    let span = spans.only();
    for (field, value) in [
        ("otel.name", "GET"),
        ("otel.kind", "client"),
        ("otel.status_code", "ERROR"),
        ("http.request.method", "GET"),
        ("http.request.resend_count", "2"),
        ("http.response.status_code", "404"),
        (
            "url.full",
            "http://REDACTED:REDACTED@greeter.example/greeting?name=Ada&Signature=REDACTED",
        ),
        ("server.address", "greeter.example"),
        ("server.port", "80"),
        ("error.type", "404"),
    ] {
        assert_eq!(span.field(field), Some(value), "{field}");
    }
    assert!(span.closed);
}

#[tokio::test]
async fn a_client_takes_every_status_of_grpc_for_an_error() {
    for (status, error) in [("0", None), ("5", Some("NOT_FOUND"))] {
        let spans = Spans::default();
        let _listening = spans.listen();
        let service = service_fn(move |_| async move { Ok::<_, Infallible>(said(status)) });
        let request = grpc("http://there:9120/greeter.v1.Greeter/Greeting");
        let reply = ClientSpanLayer::new().layer(service).oneshot(request).await.unwrap();
        reply.into_body().collect().await.unwrap();
        let span = spans.only();
        assert_eq!(span.field("error.type"), error);
        assert_eq!(span.field("server.port"), Some("9120"));
    }
}

#[tokio::test]
async fn an_error_is_recorded_with_its_causes() {
    #[derive(Debug, thiserror::Error)]
    #[error("cannot connect")]
    struct Refused(#[source] std::io::Error);
    let refused = || Refused(std::io::Error::other("nobody listens"));
    let spans = Spans::default();
    let _listening = spans.listen();
    let fails = service_fn(move |_| async move { Err::<Reply, _>(refused()) });
    let call = ClientSpanLayer::new().errors(Sourced).layer(fails).oneshot(get(HeaderMap::new()));
    call.await.unwrap_err();
    let boxed: BoxError = refused().into();
    let boxed = std::sync::Mutex::new(Some(boxed));
    let span = tracing::info_span!(
        "mine",
        error.r#type = tracing::field::Empty,
        otel.status_description = tracing::field::Empty,
        otel.status_code = tracing::field::Empty
    );
    kit_trace::span::Errors::record(&Boxed, &span, boxed.lock().unwrap().as_ref().unwrap());
    let all = spans.all();
    assert!(all[0].field("error.type").unwrap().ends_with("Refused"));
    for span in &all {
        assert_eq!(span.field("otel.status_description"), Some("cannot connect: nobody listens"));
        assert_eq!(span.field("otel.status_code"), Some("ERROR"));
    }
}

#[tokio::test]
async fn what_is_asked_on_behalf_of_a_request_is_below_its_span() {
    let spans = Spans::default();
    let _listening = spans.listen();
    let ids = Ids::seeded(1);
    let server = ServerSpanLayer::new().ids(ids.clone());
    let client = ClientSpanLayer::new().ids(ids);
    let sent = hop_by(server, client, headers(&[("traceparent", PARENT)]), 1).await;
    let all = spans.all();
    assert_eq!(all.len(), 2);
    for span in &all {
        assert_eq!(span.field("trace_id"), Some(&PARENT[3..35]));
    }
    let expected = Ids::seeded(1);
    assert_eq!(all[0].field("span_id"), Some(&*expected.span_id().to_string()));
    let client = expected.span_id().to_string();
    assert_eq!(all[1].field("span_id"), Some(&*client));
    assert_eq!(sent[0]["traceparent"].to_str().unwrap()[36..52], client);
}

// ===== an endpoint's =====

#[derive(Debug, thiserror::Error)]
enum Mistake {
    #[error("the name is empty")]
    Empty,
    #[error("the disk is full")]
    Full(#[source] std::io::Error),
}

impl Fault for Mistake {
    fn kind(&self) -> Kind {
        match self {
            Self::Empty => Kind::InvalidArgument,
            Self::Full(_) => Kind::Internal,
        }
    }
}

async fn greet(request: Asks<&'static str>) -> Result<String, Mistake> {
    match request.into_message() {
        "" => Err(Mistake::Empty),
        "full" => Err(Mistake::Full(std::io::Error::other("no space left"))),
        name => Ok(format!("Hello, {name}!")),
    }
}

#[tokio::test]
async fn an_endpoint_has_a_span() {
    for (name, error, status) in [
        ("Ada", None, None),
        ("", Some("INVALID_ARGUMENT"), None),
        ("full", Some("INTERNAL"), Some("the disk is full: no space left")),
    ] {
        let spans = Spans::default();
        let _listening = spans.listen();
        let _ = SpanLayer::new("greeting").layer(service_fn(greet)).oneshot(Asks::new(name)).await;
        let span = spans.only();
        assert_eq!(span.field("otel.name"), Some("greeting"));
        assert_eq!(span.field("otel.kind"), Some("internal"));
        assert_eq!(span.field("error.type"), error);
        assert_eq!(span.field("otel.status_description"), status);
        assert_eq!(span.field("otel.status_code"), status.map(|_| "ERROR"));
        assert!(span.closed);
    }
}

#[tokio::test]
async fn mistakes_of_callers_count_where_that_is_said() {
    let spans = Spans::default();
    let _listening = spans.listen();
    let layer = SpanLayer::new("greeting").errors_of_callers();
    layer.layer(service_fn(greet)).oneshot(Asks::new("")).await.unwrap_err();
    assert_eq!(spans.only().field("otel.status_code"), Some("ERROR"));
}

/// Go kit's cases of a `Failer`: counted as an error, or not.
#[tokio::test]
async fn a_reply_may_tell_of_a_business_error() {
    let wrong = |reply: &String| reply.ends_with("Eve!").then_some("nobody greets Eve".into());
    for (name, kind) in [("Eve", Some("business")), ("Ada", None)] {
        for (layer, counts) in [(true, true), (false, false)] {
            let spans = Spans::default();
            let _listening = spans.listen();
            if layer {
                let layer = SpanLayer::new("greeting").business(wrong);
                layer.layer(service_fn(greet)).oneshot(Asks::new(name)).await.unwrap();
            } else {
                let layer = SpanLayer::new("greeting").business_ignored(wrong);
                layer.layer(service_fn(greet)).oneshot(Asks::new(name)).await.unwrap();
            }
            let span = spans.only();
            assert_eq!(span.field("error.type"), kind);
            let status = kind.filter(|_| counts).map(|_| "nobody greets Eve");
            assert_eq!(span.field("otel.status_description"), status);
        }
    }
}

/// Go kit's dynamic names and tags; a name is of its own request, not of an earlier one.
#[tokio::test]
async fn a_span_may_be_made_of_the_request() {
    let spans = Spans::default();
    let _listening = spans.listen();
    let make = |request: &Asks<&'static str>| tracing::info_span!("greet", otel.name = %format_args!("greet {}", request.message()), tier = "gold");
    let service = SpanLayer::by(make).layer(service_fn(greet));
    for name in ["Ada", "Bob"] {
        service.clone().oneshot(Asks::new(name)).await.unwrap();
    }
    let all = spans.all();
    assert_eq!(all[0].field("otel.name"), Some("greet Ada"));
    assert_eq!(all[1].field("otel.name"), Some("greet Bob"));
    assert_eq!(all[1].field("tier"), Some("gold"));
}

#[tokio::test]
async fn what_an_endpoint_asks_is_below_its_span() {
    let _listening = listening();
    let ids = Ids::new();
    let parent = TraceContext::root(&ids, true);
    let mut request = Asks::new("");
    request.extensions_mut().insert(parent.clone());
    let tells = service_fn(async |request: Asks<&str>| {
        Ok::<_, Expired>(request.with(()).extensions().get::<TraceContext>().cloned())
    });
    let context = SpanLayer::new("step").layer(tells).oneshot(request).await.unwrap().unwrap();
    assert_eq!(context.trace_id(), parent.trace_id());
    assert_ne!(context.span_id(), parent.span_id());
    // A request of no kind of ours.
    let step = SpanLayer::new("step")
        .uncarried()
        .layer(service_fn(async |n: u32| Ok::<_, Expired>(n + 1)));
    assert_eq!(step.oneshot(1).await.unwrap(), 2);
}

/// Go kit's case: an error of a retry tells of each try.
#[tokio::test]
async fn causes_are_told_in_order() {
    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Try(&'static str, #[source] Option<Box<Self>>);
    impl Fault for Try {}
    let tries = || Try("try 3", Some(Try("try 2", Some(Try("try 1", None).into())).into()));
    assert!(tries().source().is_some());
    let spans = Spans::default();
    let _listening = spans.listen();
    let fails = service_fn(move |_: Asks<()>| async move { Err::<(), _>(tries()) });
    SpanLayer::new("retry").layer(fails).oneshot(Asks::new(())).await.unwrap_err();
    assert_eq!(spans.only().field("otel.status_description"), Some("try 3: try 2: try 1"));
}
