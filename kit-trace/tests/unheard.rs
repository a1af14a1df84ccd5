//! What becomes of a call whose span nobody wants. Here no subscriber is ever installed.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use http::{HeaderMap, Request, Response};
use kit_trace::{ClientSpanLayer, ServerSpanLayer, Trust};
use std::{convert::Infallible, pin::pin};
use support::{Nothing, get, headers, hop, hop_by};
use tower::{Layer, Service, service_fn};

const PARENT: &str = "00-12345678901234567890123456789012-1234567890123456-01";

#[tokio::test]
async fn without_spans_the_context_goes_on_as_it_came() {
    let sent = hop(headers(&[("traceparent", PARENT), ("tracestate", "a=1")]), 2).await;
    for sent in &sent {
        assert_eq!(
            (&sent["traceparent"], &sent["tracestate"]),
            (&PARENT.parse().unwrap(), &"a=1".parse().unwrap())
        );
    }
    assert!(!hop(HeaderMap::new(), 1).await[0].contains_key("traceparent"));
}

#[tokio::test]
async fn strangers_go_no_further_without_spans_either() {
    let server = ServerSpanLayer::new().trust(Trust::none());
    let sent = hop_by(server, ClientSpanLayer::new(), headers(&[("traceparent", PARENT)]), 1).await;
    assert!(!sent[0].contains_key("traceparent"));
}

#[tokio::test]
async fn a_request_without_a_span_allocates_nothing_for_it() {
    let service = service_fn(|_: Request<Nothing>| async {
        Ok::<_, Infallible>(Response::new(Nothing::new()))
    });
    let mut with = ServerSpanLayer::new().layer(service);
    let mut request = Some(get(HeaderMap::new()));
    let counted = allocation_counter::measure(|| {
        let mut call = pin!(with.call(request.take().unwrap()));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(call.as_mut().poll(&mut cx).is_ready());
    });
    assert_eq!(counted.count_total, 0);
}
