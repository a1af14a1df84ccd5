//! Rate, errors and duration of an axum router, and the page beside them.

use axum::{Router, body::Body, http::Request, routing::get};
use http_body_util::BodyExt;
use kit_metrics::{HttpStatus, Prometheus, RedLayer};
use tower::{BoxError, ServiceExt};

fn app(metrics: &Prometheus) -> Router {
    let red = RedLayer::new(metrics.clone(), "http_call", &[("route", "/hello")]);
    Router::new()
        .route("/hello", get(|| async { "Hello!" }).layer(red.classify(HttpStatus)))
        .route_service("/metrics", metrics.service())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let app = app(&Prometheus::new());
    app.clone().oneshot(Request::get("/hello").body(Body::empty())?).await?;
    app.clone().oneshot(Request::post("/hello").body(Body::empty())?).await?;

    let page = app.oneshot(Request::get("/metrics").body(Body::empty())?).await?;
    let page = String::from_utf8(page.into_body().collect().await?.to_bytes().into())?;
    for kind in ["OK", "METHOD_NOT_ALLOWED"] {
        let line =
            format!("http_call_duration_seconds_count{{kind=\"{kind}\",route=\"/hello\"}} 1");
        assert!(page.contains(&line), "{page}");
    }
    Ok(())
}

#[test]
fn runs() -> Result<(), BoxError> {
    main()
}
