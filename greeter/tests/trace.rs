//! What is recorded of traces: what is not has no span.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use greeter::{
    flags::{Sample, Trace, Traces, Trusted},
    trace,
};
use http::{Request, Response};
use http_body_util::Empty;
use kit_trace::{ClientSpanLayer, ServerSpanLayer};
use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::time::advance;
use tower::{Layer, ServiceExt, service_fn};
use tracing::{Subscriber, span};
use tracing_subscriber::{
    layer::{Context, SubscriberExt},
    registry,
    util::SubscriberInitExt,
};

type Nothing = Empty<Bytes>;
type Asked = Request<Nothing>;

/// Counts the spans that are opened.
#[derive(Debug, Clone, Default)]
struct Opened(Arc<AtomicUsize>);

impl<S: Subscriber> tracing_subscriber::Layer<S> for Opened {
    fn on_new_span(&self, _: &span::Attributes<'_>, _: &span::Id, _: Context<'_, S>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// These are sent somewhere.
fn sent(sample: Sample) -> Trace {
    let nowhere = Traces::Http("http://127.0.0.1:1".to_owned());
    Trace { otlp: Some(nowhere), sample, trust: Trusted::All }
}

/// Asks a server that asks another, as the flags say. Returns how many spans were opened,
/// and the flags of the `traceparent` that the other was told.
async fn asked(
    server: &ServerSpanLayer,
    client: &ClientSpanLayer,
    parent: &str,
) -> (usize, String) {
    let opened = Opened::default();
    let _listening = registry().with(opened.clone()).set_default();
    let other = client.layer(service_fn(async |asked: Asked| {
        let told = asked.headers()["traceparent"].clone();
        Ok::<_, Infallible>(Response::builder().header("told", told).body(Nothing::new()).unwrap())
    }));
    let first = server.layer(service_fn(move |asked: Asked| {
        let mut asks = Asked::new(Nothing::new());
        *asks.extensions_mut() = asked.extensions().clone();
        let reply = other.clone().oneshot(asks);
        async move {
            Ok::<_, Infallible>(Response::from_parts(reply.await?.into_parts().0, Nothing::new()))
        }
    }));
    let mut request = Asked::new(Nothing::new());
    if !parent.is_empty() {
        request.headers_mut().insert("traceparent", parent.parse().unwrap());
    }
    let reply = first.oneshot(request).await.unwrap();
    let told = reply.headers()["told"].to_str().unwrap();
    (opened.0.load(Ordering::Relaxed), told.rsplit_once('-').unwrap().1.to_owned())
}

/// A call below one of W3C's example, which is recorded or not.
const RECORDED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNRECORDED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

#[tokio::test]
async fn what_is_not_recorded_has_no_span_and_who_is_asked_is_told() {
    for (sample, parent, spans) in [
        (Sample::Millionths(1_000_000), "", 2),
        (Sample::Millionths(0), "", 0),
        (Sample::Millionths(0), RECORDED, 2),
        (Sample::Millionths(1_000_000), UNRECORDED, 0),
    ] {
        let flags = sent(sample);
        let (opened, told) = asked(&trace::server(&flags), &trace::client(&flags), parent).await;
        assert_eq!(opened, spans, "{sample:?} {parent}");
        let told = u8::from_str_radix(&told, 16).unwrap();
        assert_eq!(told & 1 == 1, spans > 0, "{sample:?} {parent}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_of_all_that_is_served_and_not_of_what_is_asked_for_it() {
    let flags = sent(Sample::PerSecond(2));
    // Of both ports, as each has a clone.
    let (server, client) = (trace::server(&flags), trace::client(&flags));
    let mut opened = Vec::new();
    for _ in 0..3 {
        opened.push(asked(&server.clone(), &client.clone(), "").await.0);
    }
    assert_eq!(opened, [2, 2, 0]);
    advance(Duration::from_secs(1)).await;
    assert_eq!(asked(&server, &client, "").await.0, 2);
}

#[tokio::test]
async fn where_nothing_is_sent_what_came_goes_on_without_a_span() {
    let flags = Trace { otlp: None, ..sent(Sample::Millionths(1_000_000)) };
    let spans = asked(&trace::server(&flags), &trace::client(&flags), RECORDED).await;
    assert_eq!(spans, (0, "01".to_owned()));
}

#[tokio::test]
async fn who_only_calls_decides_too() {
    for (sample, spans) in [(Sample::Millionths(0), 0), (Sample::Millionths(1_000_000), 1)] {
        let opened = Opened::default();
        let _listening = registry().with(opened.clone()).set_default();
        let other = service_fn(async |_| Ok::<_, Infallible>(Response::new(Nothing::new())));
        let calls = trace::client(&sent(sample)).layer(other);
        calls.oneshot(Asked::new(Nothing::new())).await.unwrap();
        assert_eq!(opened.0.load(Ordering::Relaxed), spans, "{sample:?}");
    }
}
