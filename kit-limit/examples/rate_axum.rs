//! A limit for each caller of an axum router, which cannot fail: a refusal is a
//! reply, that says when to come again.

use axum::{Router, body::Body, http::Request, routing::get};
use kit_endpoint::AsHttp;
use kit_limit::rate::{KeyedRateLimit, Rate, RateLimitLayer};
use tower::{BoxError, ServiceExt};

/// Who calls: behind a gateway that says so. It is read where it stands.
fn caller(request: &Request<Body>) -> &[u8] {
    request.headers().get("x-caller").map_or(b"", |caller| caller.as_bytes())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    // Room for ten thousand callers at a time: 160 kB.
    let limit = KeyedRateLimit::<[u8]>::new("per-caller", Rate::per_minute(2), 10_000);
    let layer = RateLimitLayer::by(limit.clone(), caller).refuse(AsHttp);
    let app = Router::new().route("/", get(|| async { "hello" })).layer(layer);

    let ask = |caller| Request::get("/").header("x-caller", caller).body(Body::empty());
    for _ in 0..2 {
        assert_eq!(app.clone().oneshot(ask("ada")?).await?.status(), 200);
    }
    let refused = app.clone().oneshot(ask("ada")?).await?;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "30");
    assert_eq!(refused.headers()["ratelimit"], "\"per-caller\";r=0;t=30");
    assert_eq!(refused.headers()["ratelimit-policy"], "\"per-caller\";q=2;w=60");

    assert_eq!(app.oneshot(ask("bob")?).await?.status(), 200);
    assert_eq!((limit.allowed(), limit.refused()), (3, 1));
    Ok(())
}

#[test]
fn shows_what_it_says() -> Result<(), BoxError> {
    main()
}
