//! What spans are opened for endpoints, what they say, and when they end.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use kit_endpoint::{Expired, Fault, Kind, Request as Asks};
use kit_trace::{Ids, SpanLayer, TraceContext};
use std::error::Error;
use support::{Spans, listening};
use tower::{Layer, ServiceExt, service_fn};

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
