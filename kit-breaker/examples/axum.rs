//! A breaker around an axum router, which cannot fail: a refusal is a reply.

use axum::{Router, body::Body, http::StatusCode, routing::get};
use kit_breaker::{AsHttp, BreakerLayer, HttpStatus, Limits};
use std::time::Duration;
use tower::{BoxError, ServiceExt};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let open = Duration::from_secs(10);
    let limits = Limits::default().failures(1).cooldown(open, open).jitter(0.0);
    let breaker = BreakerLayer::new(limits).classify(HttpStatus).refuse(AsHttp);
    let app = Router::new()
        .route("/", get(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
        .layer(breaker);

    let ask = || http::Request::get("/").body(Body::empty());
    assert_eq!(app.clone().oneshot(ask()?).await?.status(), 500);
    let refused = app.oneshot(ask()?).await?;
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "10");
    Ok(())
}

#[test]
fn shows_what_it_says() -> Result<(), BoxError> {
    main()
}
