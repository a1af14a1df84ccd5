//! The fallback, as its users meet it.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_breaker::{AnyError, BreakerLayer, FallbackLayer, HttpStatus, Inspect, Inspector, Limits};
use std::convert::Infallible;
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{BoxError, Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_test::mock;

type Failed = Result<u32, BoxError>;

#[tokio::test]
async fn a_success_is_left_alone() {
    let layer = FallbackLayer::new("test", |_: Failed| async { Ok(42) }).classify(AnyError);
    let service = layer.layer(service_fn(|()| async { Ok::<_, BoxError>(1) }));
    assert_eq!(service.clone().oneshot(()).await.unwrap(), 1);
    assert_eq!((service.uses().used(), layer.uses().used()), (0, 0));
}

#[tokio::test]
async fn a_failure_is_answered_and_counted() {
    let layer = FallbackLayer::new("test", |failed: Failed| async move {
        assert_eq!(failed.unwrap_err().to_string(), "boom");
        Ok(42)
    })
    .classify(AnyError);
    let service = layer.layer(service_fn(|()| async { Err::<u32, BoxError>("boom".into()) }));
    assert_eq!(service.oneshot(()).await.unwrap(), 42);
    assert_eq!((layer.uses().used(), layer.uses().failed()), (1, 0));
}

#[tokio::test]
async fn a_fallback_may_fail_too() {
    let layer = FallbackLayer::new("test", |_: Failed| async { Err("nor have I".into()) });
    let layer = layer.classify(AnyError);
    let service = layer.layer(service_fn(|()| async { Err::<u32, BoxError>("boom".into()) }));
    assert_eq!(service.oneshot(()).await.unwrap_err().to_string(), "nor have I");
    assert_eq!((layer.uses().used(), layer.uses().failed()), (1, 1));
}

#[tokio::test]
async fn a_refusal_of_a_breaker_is_answered() {
    let fallback = FallbackLayer::new("test", |_: Failed| async { Ok(42) }).classify(AnyError);
    let uses = fallback.uses();
    let service = ServiceBuilder::new()
        .layer(fallback)
        .layer(BreakerLayer::new(Limits::default().failures(1)).classify(AnyError))
        .service(service_fn(|()| async { Err::<u32, BoxError>("boom".into()) }));
    for _ in 0..3 {
        assert_eq!(service.clone().oneshot(()).await.unwrap(), 42);
    }
    assert_eq!(uses.used(), 3);
}

#[tokio::test]
async fn a_reply_can_be_a_failure() {
    type Reply = Result<http::Response<String>, Infallible>;
    let stale = |failed: Reply| async {
        let status = failed.unwrap().status();
        Ok(http::Response::new(format!("an old price, instead of {status}")))
    };
    let service = FallbackLayer::new("test", stale).classify(HttpStatus).layer(service_fn(
        |status: u16| async move {
            let reply = http::Response::builder().status(status).body(String::new());
            Ok::<_, Infallible>(reply.unwrap())
        },
    ));
    let reply = service.clone().oneshot(503).await.unwrap();
    assert_eq!(reply.body(), "an old price, instead of 503 Service Unavailable");
    assert_eq!(service.oneshot(404).await.unwrap().status(), 404, "the caller's own mistake");
}

#[tokio::test]
async fn it_may_keep_a_part_of_the_request() {
    let layer = FallbackLayer::keeping(
        "test",
        |request: &(u32, &str)| request.0,
        |id: u32, _: Failed| async move { Ok(id + 1) },
    );
    let service = layer
        .classify(AnyError)
        .layer(service_fn(|_: (u32, &str)| async { Err::<u32, BoxError>("boom".into()) }));
    assert_eq!(service.oneshot((7, "price")).await.unwrap(), 8);
}

#[tokio::test]
async fn a_call_that_is_dropped_asks_no_fallback() {
    let layer = FallbackLayer::new("test", |_: Failed| async { Ok(42) }).classify(AnyError);
    let uses = layer.uses();
    let (mut service, mut handle) = mock::spawn_layer::<(), u32, _>(layer);
    assert_ready_ok!(service.poll_ready());
    let mut reply = task::spawn(service.call(()));
    assert_pending!(reply.poll());
    let ((), sent) = handle.next_request().await.unwrap();
    drop(reply);
    sent.send_error("late");
    assert_eq!(uses.used(), 0);
}

#[tokio::test]
async fn readiness_is_the_inner_services() {
    let layer = FallbackLayer::new("test", |_: Failed| async { Ok(42) }).classify(AnyError);
    let (mut service, mut handle) = mock::spawn_layer::<(), u32, _>(layer);
    handle.allow(0);
    assert_pending!(service.poll_ready());
    handle.send_error("closed");
    assert_ready_err!(service.poll_ready());
}

struct Seen(Vec<String>);

impl Inspector for Seen {
    fn counter(&mut self, name: &str, _: &str, labels: &[(&str, &str)], value: u64) {
        self.0.push(format!("{name}{labels:?} {value}"));
    }

    fn gauge(&mut self, _: &str, _: &str, _: &[(&str, &str)], _: f64) {}
}

#[tokio::test]
async fn it_says_how_often_it_was_used() {
    let layer = FallbackLayer::new("price", |_: Failed| async { Ok(42) }).classify(AnyError);
    let service = layer.layer(service_fn(|()| async { Err::<u32, BoxError>("boom".into()) }));
    service.oneshot(()).await.unwrap();
    let mut seen = Seen(Vec::new());
    layer.uses().inspect(&mut seen);
    assert_eq!(
        seen.0,
        [
            r#"fallback_used_total[("fallback", "price")] 1"#,
            r#"fallback_failed_total[("fallback", "price")] 0"#,
        ]
    );
}
