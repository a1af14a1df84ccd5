//! What spans are opened for calls of others, what they say, and what they send.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use kit_endpoint::Resent;
use kit_trace::{
    ClientSpanLayer, Ids, Sampling, ServerSpanLayer,
    span::{Boxed, Sourced},
};
use std::convert::Infallible;
use support::{Nothing, PARENT, Reply, Spans, answers, get, grpc, headers, hop_by, ok, said};
use tower::{BoxError, Layer, ServiceExt, service_fn};

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

#[tokio::test]
async fn who_calls_of_their_own_accord_decides_what_is_recorded() {
    for (sampling, flags, count) in [(Sampling::never(), "02", 0), (Sampling::always(), "03", 1)] {
        let spans = Spans::default();
        let _listening = spans.listen();
        let told = service_fn(|request: Request<Nothing>| async move {
            let mut reply = ok("said");
            *reply.headers_mut() = request.headers().clone();
            Ok::<_, Infallible>(reply)
        });
        let client = ClientSpanLayer::new().sampling(sampling).layer(told);
        let reply = client.oneshot(get(HeaderMap::new())).await.unwrap();
        let parent = reply.headers()["traceparent"].to_str().unwrap();
        assert_eq!(&parent[53..], flags);
        assert_eq!(spans.all().len(), count);
    }
}
