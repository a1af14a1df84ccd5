//! What kit's transports tell the span.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use http::{Extensions, HeaderMap, Request, Response, StatusCode};
use kit_endpoint::{Fault, Kind};
use kit_trace::{ServerSpanLayer, TraceContext, hook::SpanHook};
use kit_transport::{Call, Hook, Phase, Protocol, Watch};
use std::convert::Infallible;
use support::{Nothing, Spans, get, headers};
use tower::{Layer, ServiceExt, service_fn};

#[derive(Debug, thiserror::Error)]
#[error("it failed")]
struct Failed(Kind, #[source] std::io::Error);

impl Fault for Failed {
    fn kind(&self) -> Kind {
        self.0
    }
}

fn failed(kind: Kind) -> Failed {
    Failed(kind, std::io::Error::other("because"))
}

/// What a transport does with a request that fails by `kind`, or does not.
async fn serve(kind: Option<Kind>, status: StatusCode) -> TraceContext {
    let (sends, sent) = std::sync::mpsc::channel();
    let transport = service_fn(move |request: Request<Nothing>| {
        let sends = sends.clone();
        async move {
            let (mut head, _) = request.into_parts();
            let call = Call::new(Protocol::Http, "GET", &head.headers).route(Some("/users/{id}"));
            let mut watch = Watch::new(SpanHook.before(&call, &mut head.extensions));
            let context = head.extensions.get::<TraceContext>().unwrap().clone();
            let id = SpanHook.trace_id(&head.extensions).unwrap();
            assert_eq!(id.to_string(), context.trace_id().to_string());
            sends.send(context).unwrap();
            if let Some(kind) = kind {
                watch.failed_at(Phase::Endpoint, &failed(kind));
            }
            watch.finish();
            let mut reply = Response::new(Nothing::new());
            *reply.status_mut() = status;
            Ok::<_, Infallible>(reply)
        }
    });
    let server = ServerSpanLayer::new().layer(transport);
    server.oneshot(get(headers(&[]))).await.unwrap();
    sent.recv().unwrap()
}

#[tokio::test]
async fn the_route_and_the_fault_are_told() {
    for (kind, status, error, described) in [
        (None, StatusCode::OK, None, None),
        (Some(Kind::InvalidArgument), StatusCode::BAD_REQUEST, Some("INVALID_ARGUMENT"), None),
        (
            Some(Kind::Internal),
            StatusCode::INTERNAL_SERVER_ERROR,
            Some("INTERNAL"),
            Some("it failed: because"),
        ),
    ] {
        let spans = Spans::default();
        let _listening = spans.listen();
        serve(kind, status).await;
        let span = spans.only();
        assert_eq!(span.field("otel.name"), Some("GET /users/{id}"));
        assert_eq!(span.field("http.route"), Some("/users/{id}"));
        assert_eq!(span.field("error.type"), error);
        assert_eq!(span.field("otel.status_description"), described);
        let recorded = span.fields.iter().filter(|(name, _)| name == "error.type").count();
        assert_eq!(recorded, usize::from(error.is_some()), "once");
        assert!(span.closed);
    }
}

#[tokio::test]
async fn without_a_span_around_nothing_is_told() {
    let spans = Spans::default();
    let _listening = spans.listen();
    let headers = HeaderMap::new();
    let call = Call::new(Protocol::Http, "GET", &headers).route(Some("/users/{id}"));
    let mut extensions = Extensions::new();
    let mut watch = Watch::new(SpanHook.before(&call, &mut extensions));
    watch.failed_at(Phase::Endpoint, &failed(Kind::Internal));
    watch.finish();
    assert!(extensions.is_empty() && spans.all().is_empty());
}
