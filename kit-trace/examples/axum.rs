//! Spans around an axum router: each request is one, named by its route, and what a
//! handler asks of others is below it.

use axum::{
    Extension, Router,
    body::Body,
    extract::{MatchedPath, Request},
    middleware::{Next, from_fn},
    response::Response,
    routing::get,
};
use kit_trace::{ServerSpanLayer, TraceContext, Trust, span::route};
use tower::{BoxError, ServiceExt};

/// The router knows the template, which the layer around it does not.
async fn named(path: MatchedPath, request: Request, next: Next) -> Response {
    route(request.method(), path.as_str());
    next.run(request).await
}

async fn user(Extension(context): Extension<TraceContext>) -> String {
    context.trace_id().to_string()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    // A program installs a subscriber that shows or exports them.
    let _listening = tracing::subscriber::set_default(tracing_subscriber::registry());
    let app = |trust| {
        Router::new()
            .route("/users/{id}", get(user))
            .route_layer(from_fn(named))
            .layer(ServerSpanLayer::new().trust(trust))
    };
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let ask = || http::Request::get("/users/7").header("traceparent", parent).body(Body::empty());

    let reply = app(Trust::all()).oneshot(ask()?).await?;
    let seen = axum::body::to_bytes(reply.into_body(), 1024).await?;
    assert_eq!(seen, "0af7651916cd43dd8448eb211c80319c");

    // At an edge to strangers each request begins a trace of its own.
    let reply = app(Trust::none()).oneshot(ask()?).await?;
    let seen = axum::body::to_bytes(reply.into_body(), 1024).await?;
    assert_ne!(seen, "0af7651916cd43dd8448eb211c80319c");
    Ok(())
}

#[test]
fn shows_what_it_says() -> Result<(), BoxError> {
    main()
}
