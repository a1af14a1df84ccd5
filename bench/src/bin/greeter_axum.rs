//! What the greeter is over HTTP, by hand: axum, and tower-http's layers.

use axum::{
    Json, Router,
    extract::{ConnectInfo, Query},
    routing::get,
    serve::ListenerExt,
};
use greeter::{
    endpoints::{Greeting, Hello},
    log::{self, Format},
    service::{Greeter, Service},
};
use http::{
    StatusCode,
    header::{AUTHORIZATION, COOKIE},
};
use kit_bench::{BoxError, Ids, say, serve_until_told};
use std::{
    hint::black_box,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_http::{
    compression::CompressionLayer,
    request_id::{PropagateRequestIdLayer, SetRequestIdLayer},
    sensitive_headers::SetSensitiveHeadersLayer,
    timeout::TimeoutLayer,
};

async fn greeting(
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Query(hello): Query<Hello>,
) -> Result<Json<Greeting>, StatusCode> {
    black_box(peer);
    let greeting = Greeter.greeting(&hello.name).map_err(|_| StatusCode::BAD_REQUEST)?;
    Ok(Json(Greeting { greeting }))
}

async fn health() -> StatusCode {
    StatusCode::OK
}

fn main() -> Result<(), BoxError> {
    log::install("warn", Format::default());
    let layers = ServiceBuilder::new()
        .layer(SetSensitiveHeadersLayer::new([AUTHORIZATION, COOKIE]))
        .layer(SetRequestIdLayer::x_request_id(Ids))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(CompressionLayer::new())
        .layer(greeter::cors::readable())
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_secs(5)));
    let router = Router::new().route("/greeting", get(greeting)).route("/health", get(health));
    let router = router.layer(layers);
    serve_until_told(async || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        say(listener.local_addr()?.port())?;
        let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
        let router = router.into_make_service_with_connect_info::<SocketAddr>();
        Ok(axum::serve(listener, router).await?)
    })
}
