//! A concurrency limit around an axum router, which cannot fail: a refusal is a
//! reply. What matters less is refused first, as a header of the caller says.

use axum::{Router, body::Body, http::HeaderMap, routing::get};
use kit_endpoint::{AsHttp, Criticality, HttpStatus};
use kit_limit::concurrency::{ConcurrencyLimitLayer, Gradient2, Limiter};
use tower::{BoxError, ServiceBuilder, ServiceExt};

/// Reads how critical a request is. (kit-transport does that too.)
fn criticality(mut request: http::Request<Body>) -> http::Request<Body> {
    let named = |headers: &HeaderMap| headers.get("x-criticality")?.to_str().ok()?.parse().ok();
    if let Some(class) = named(request.headers()) {
        request.extensions_mut().insert::<Criticality>(class);
    }
    request
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let limiter = Limiter::new("app", Gradient2::default()).jitter(0.0);
    let limit = ConcurrencyLimitLayer::shared(limiter.clone())
        .by_criticality()
        .classify(HttpStatus)
        .refuse(AsHttp);
    let app = ServiceBuilder::new()
        .map_request(criticality)
        .layer(limit)
        .service(Router::new().route("/", get(|| async { "Hello!" })));

    // Half of the twenty calls that may be in flight are.
    let _in_flight = [(); 10].map(|()| limiter.admit());
    let ask = |class| http::Request::get("/").header("x-criticality", class).body(Body::empty());
    assert_eq!(app.clone().oneshot(ask("critical")?).await?.status(), 200);
    let refused = app.oneshot(ask("sheddable")?).await?;
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "1");
    Ok(())
}

#[test]
fn shows_what_it_says() -> Result<(), BoxError> {
    main()
}
