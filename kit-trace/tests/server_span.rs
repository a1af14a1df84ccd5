//! What spans are opened for requests at a server, what they say, and when they end.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use kit_endpoint::Peer;
use kit_trace::{ClientSpanLayer, Sampling, ServerSpanLayer, SpanLayer, TraceContext, Trust};
use std::{
    convert::Infallible,
    future::{pending, poll_fn},
    net::SocketAddr,
    task::Poll,
};
use support::{
    Nothing, PARENT, Reply, Spans, answers, get, grpc, headers, hop, hop_by, listening, name, ok,
    said, seen,
};
use tokio_stream::{StreamExt, iter};
use tokio_test::assert_ready;
use tower::{Layer, ServiceExt, service_fn};

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
        let frames = iter(0..2).map(|_| {
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

// ===== what is recorded =====

/// Asks somebody who tells what headers came.
async fn asks(context: Option<&TraceContext>) -> HeaderMap {
    let other = service_fn(|request: Request<Nothing>| async move {
        let mut reply = Response::new(Nothing::new());
        *reply.headers_mut() = request.headers().clone();
        Ok::<_, Infallible>(reply)
    });
    let mut request = get(HeaderMap::new());
    if let Some(context) = context {
        request.extensions_mut().insert(context.clone());
    }
    ClientSpanLayer::new().layer(other).oneshot(request).await.unwrap().headers().clone()
}

fn parent(headers: &HeaderMap) -> &str {
    headers.get("traceparent").map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn what_is_left_out_has_no_span_and_says_so_to_whom_it_calls() {
    let spans = Spans::default();
    let _listening = spans.listen();
    for came in [None, Some("00-12345678901234567890123456789012-1234567890123456-00")] {
        let mut headers = HeaderMap::new();
        if let Some(came) = came {
            headers.insert("traceparent", came.parse().unwrap());
            headers.insert("tracestate", "a=1".parse().unwrap());
        }
        let endpoint = service_fn(|request: Request<Nothing>| async move {
            assert_eq!(name(), None);
            let context = request.extensions().get::<TraceContext>().cloned();
            let step = SpanLayer::new("step").uncarried();
            let step = step.layer(service_fn(async |()| Ok::<_, kit_endpoint::Expired>(())));
            step.oneshot(()).await.unwrap();
            let told = [asks(context.as_ref()).await, asks(None).await];
            let mut reply = Response::new(Nothing::new());
            reply.extensions_mut().insert((context.unwrap(), told));
            Ok::<_, Infallible>(reply)
        });
        let server = ServerSpanLayer::new().sampling(Sampling::never()).layer(endpoint);
        let mut reply = server.oneshot(get(headers)).await.unwrap();
        let (context, told) =
            reply.extensions_mut().remove::<(TraceContext, [HeaderMap; 2])>().unwrap();
        assert!(!context.sampled() && !context.is_remote());
        let (trace, state, flags) = match came {
            Some(came) => (came[3..35].to_owned(), "a=1", "00"),
            None => (context.trace_id().to_string(), "", "02"),
        };
        assert_eq!(context.trace_id().to_string(), trace);
        for told in &told {
            assert_eq!(parent(told), format!("00-{trace}-{}-{flags}", context.span_id()));
            assert_eq!(told.get("tracestate").map_or("", |it| it.to_str().unwrap()), state);
        }
        if let Some(came) = came {
            assert_ne!(parent(&told[0])[36..52], came[36..52], "who was called, not who called");
        }
    }
    assert!(spans.all().is_empty(), "{:?}", spans.all());
}

#[tokio::test]
async fn what_is_recorded_has_its_span() {
    let spans = Spans::default();
    let _listening = spans.listen();
    let server = || ServerSpanLayer::new().sampling(Sampling::always());
    let root = seen(server(), get(HeaderMap::new())).await.unwrap();
    assert_eq!(root.flags().bits(), 3);
    assert_eq!(spans.only().field("trace_id"), Some(&*root.trace_id().to_string()));
    let unheard =
        headers(&[("traceparent", "00-12345678901234567890123456789012-1234567890123456-00")]);
    // A parent that is not recorded, and a layer that does not ask it.
    let server = ServerSpanLayer::new().sampling(Sampling::always().whatever_the_parent());
    let below = seen(server, get(unheard)).await.unwrap();
    assert_eq!(below.trace_id().to_string(), PARENT[3..35]);
    assert!(below.sampled());
    assert_eq!(spans.all().len(), 2);
}

#[tokio::test]
async fn what_is_left_out_is_so_while_it_is_polled_and_no_longer() {
    let spans = Spans::default();
    let _listening = spans.listen();
    let waits = || service_fn(|_: Request<Nothing>| pending::<Result<Reply, Infallible>>());
    let left_out = ServerSpanLayer::new().sampling(Sampling::never());
    let mut call = tokio_test::task::spawn(left_out.layer(waits()).oneshot(get(HeaderMap::new())));
    assert!(call.poll().is_pending());
    assert!(parent(&asks(None).await).ends_with("-03"), "a trace of its own");
    assert_eq!(spans.all().len(), 1);
    drop(call);
    // One that is recorded within one that is not, as services of one process do.
    let inner = ServerSpanLayer::new().layer(service_fn(|_: Request<Nothing>| async {
        let mut reply = ok("");
        *reply.headers_mut() = asks(None).await;
        Ok::<_, Infallible>(reply)
    }));
    let reply = left_out
        .layer(service_fn(move |_: Request<Nothing>| inner.clone().oneshot(get(HeaderMap::new()))));
    let reply = reply.oneshot(get(HeaderMap::new())).await.unwrap();
    assert!(parent(reply.headers()).ends_with("-03"));
    assert_eq!(spans.all().len(), 3);
}

#[tokio::test]
async fn so_it_is_while_it_is_called() {
    let spans = Spans::default();
    let _listening = spans.listen();
    // What a service does before it returns its future.
    let calls = service_fn(|request: Request<Nothing>| {
        let context = request.extensions().get::<TraceContext>().unwrap().span_id().to_string();
        let told = assert_ready!(tokio_test::task::spawn(asks(None)).poll());
        assert!(parent(&told).contains(&context), "{told:?}");
        async { Ok::<_, Infallible>(Response::new(Nothing::new())) }
    });
    let server = ServerSpanLayer::new().sampling(Sampling::never()).layer(calls);
    server.oneshot(get(HeaderMap::new())).await.unwrap();
    assert!(parent(&asks(None).await).ends_with("-03"), "and no longer");
    assert_eq!(spans.all().len(), 1);
}

#[tokio::test]
async fn so_it_is_in_its_body() {
    let spans = Spans::default();
    let _listening = spans.listen();
    let streams = service_fn(|request: Request<Nothing>| async move {
        let context = request.extensions().get::<TraceContext>().unwrap().span_id().to_string();
        let frames = iter([context]).then(|context| async move {
            let told = asks(None).await;
            assert!(parent(&told).contains(&context), "{told:?}");
            Ok::<_, Infallible>(Frame::data(Bytes::from("said")))
        });
        let frames = StreamBody::new(Box::pin(frames));
        Ok::<_, Infallible>(Response::new(frames))
    });
    let server = ServerSpanLayer::new().sampling(Sampling::never()).layer(streams);
    let body = server.oneshot(get(HeaderMap::new())).await.unwrap().into_body();
    assert_eq!(body.collect().await.unwrap().to_bytes(), "said");
    assert!(spans.all().is_empty());
}
