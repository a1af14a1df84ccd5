//! The debug port, as a service of requests.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use axum::body::Body;
use greeter::debug::{BUILD, router};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use kit_breaker::{Circuit, Limits};
use kit_metrics::Prometheus;
use serde_json::Value;
use tokio::sync::watch;
use tower::ServiceExt;

struct Fixture {
    metrics: Prometheus,
    ready: watch::Sender<bool>,
    readiness: watch::Receiver<bool>,
}

fn fixture() -> Fixture {
    let (ready, readiness) = watch::channel(true);
    Fixture { metrics: Prometheus::new(), ready, readiness }
}

impl Fixture {
    async fn get(&self, target: &str) -> (StatusCode, String, String) {
        let (router, _) = router(self.metrics.clone(), self.readiness.clone());
        let request = Request::get(target).body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let content = response.headers().get(header::CONTENT_TYPE);
        let content = content.map_or("", |content| content.to_str().unwrap()).to_owned();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, content, String::from_utf8(body.into()).unwrap())
    }
}

#[tokio::test]
async fn it_lives_whether_it_is_ready_or_not() {
    let fixture = fixture();
    for ready in [true, false] {
        fixture.ready.send_replace(ready);
        assert_eq!(fixture.get("/health/live").await.0, StatusCode::OK);
    }
}

#[tokio::test]
async fn readiness_is_told() {
    let fixture = fixture();
    assert_eq!(fixture.get("/health/ready").await.0, StatusCode::OK);
    fixture.ready.send_replace(false);
    let (status, _, body) = fixture.get("/health/ready").await;
    assert_eq!((status, &*body), (StatusCode::SERVICE_UNAVAILABLE, "not ready\n"));
}

#[tokio::test]
async fn it_has_started_once_it_was_ready_and_for_good() {
    let (ready, readiness) = watch::channel(false);
    let (app, starts) = router(Prometheus::new(), readiness);
    let starts = tokio::spawn(starts);
    let ask = async || {
        let request = Request::get("/health/startup").body(Body::empty()).unwrap();
        app.clone().oneshot(request).await.unwrap().status()
    };
    assert_eq!(ask().await, StatusCode::SERVICE_UNAVAILABLE);
    ready.send_replace(true);
    starts.await.unwrap();
    assert_eq!(ask().await, StatusCode::OK);
    ready.send_replace(false);
    assert_eq!(ask().await, StatusCode::OK);
}

#[tokio::test]
async fn metrics_are_a_page_for_prometheus() {
    let fixture = fixture();
    fixture.metrics.collect(Circuit::new("greeting", Limits::default()));
    let (status, content, page) = fixture.get("/metrics").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(content, Prometheus::CONTENT_TYPE);
    assert!(page.contains("greeting"), "{page}");
}

#[tokio::test]
async fn the_build_is_told() {
    let (status, content, body) = fixture().get("/debug/build").await;
    assert_eq!((status, &*content), (StatusCode::OK, "application/json"));
    let build: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(build["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(build["commit"].as_str(), BUILD.commit);
    assert!(build["features"].is_array());
}

#[tokio::test]
async fn there_is_nothing_else() {
    assert_eq!(fixture().get("/greeting?name=Ada").await.0, StatusCode::NOT_FOUND);
}
