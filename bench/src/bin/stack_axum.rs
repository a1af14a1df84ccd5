//! Everything on, by hand, over HTTP: axum, tower-http's layers, governor, recloser,
//! jsonwebtoken, the metrics facade and its exporter for Prometheus,
//! tracing-opentelemetry, and tracing-subscriber's compact lines.

use axum::{
    Json, Router,
    error_handling::HandleErrorLayer,
    extract::{MatchedPath, Query, Request, State},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use http::{StatusCode, header};
use hyper_util::service::TowerToHyperService;
use kit_bench::{
    BoxError, Greeting, Hello, Ids,
    by_hand::{Tokens, begin, telemetry},
    greet, serve_one,
};
use metrics::{gauge, histogram};
use recloser::{AsyncRecloser, Error as Rejected, Recloser};
use std::{num::NonZeroU32, sync::Arc, time::Duration};
use tokio::time::Instant;
use tower::{ServiceBuilder, limit::ConcurrencyLimitLayer, load_shed::LoadShedLayer};
use tower_http::{
    request_id::{PropagateRequestIdLayer, SetRequestIdLayer},
    timeout::TimeoutLayer,
    trace::TraceLayer,
};
use tracing::{Span, field::Empty, info, info_span};

async fn greeting(Query(hello): Query<Hello>) -> Result<Json<Greeting>, StatusCode> {
    greet(hello).await.map(Json).map_err(|_| StatusCode::BAD_REQUEST)
}

async fn measured(path: MatchedPath, request: Request, next: Next) -> Response {
    let (begun, method) = (Instant::now(), request.method().clone());
    let active = gauge!("http_server_active_requests");
    active.increment(1.0);
    let response = next.run(request).await;
    active.decrement(1.0);
    let duration = histogram!(
        "http_server_request_duration_seconds",
        "http_request_method" => method.to_string(),
        "http_route" => path.as_str().to_owned(),
        "http_response_status_code" => response.status().as_str().to_owned(),
    );
    duration.record(begun.elapsed());
    response
}

async fn authenticated(
    State(tokens): State<Arc<Tokens>>,
    mut request: Request,
    next: Next,
) -> Response {
    match tokens.check(request.headers()) {
        Some(claims) => {
            request.extensions_mut().insert(claims);
            next.run(request).await
        }
        None => (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")]).into_response(),
    }
}

async fn limited(
    State(limit): State<Arc<DefaultDirectRateLimiter>>,
    request: Request,
    next: Next,
) -> Response {
    match limit.check() {
        Ok(()) => next.run(request).await,
        Err(_) => StatusCode::TOO_MANY_REQUESTS.into_response(),
    }
}

async fn broken(State(breaker): State<AsyncRecloser>, request: Request, next: Next) -> Response {
    let call = async {
        let response = next.run(request).await;
        if response.status().is_server_error() { Err(response) } else { Ok(response) }
    };
    match breaker.call(call).await {
        Ok(response) | Err(Rejected::Inner(response)) => response,
        Err(Rejected::Rejected) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

fn span(request: &Request) -> Span {
    let (uri, headers) = (request.uri(), request.headers());
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let span = info_span!(
        "server",
        "otel.name" = %request.method(),
        "otel.kind" = "server",
        "otel.status_code" = Empty,
        "http.request.method" = %request.method(),
        "url.scheme" = "http",
        "url.path" = uri.path(),
        "url.query" = uri.query(),
        "http.route" = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str),
        "http.response.status_code" = Empty,
        "network.protocol.version" = "1.1",
        "server.address" = text("host"),
        "error.type" = Empty,
        request_id = text("x-request-id"),
        trace_id = Empty,
        span_id = Empty,
    );
    begin(&span, headers);
    span
}

fn replied<B>(response: &http::Response<B>, latency: Duration, span: &Span) {
    let status = response.status();
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
        span.record("error.type", status.as_str());
    }
    let duration = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    info!(target: "access", status = status.as_u16(), duration_us = duration, "request");
}

fn main() -> Result<(), BoxError> {
    telemetry()?;
    let burst = NonZeroU32::new(1_000_000).ok_or("it is not zero")?;
    let limit = Arc::new(RateLimiter::direct(Quota::per_second(burst)));
    let breaker = AsyncRecloser::from(Recloser::custom().error_rate(0.5).closed_len(100).build());
    let shed = |_: BoxError| async { StatusCode::SERVICE_UNAVAILABLE };
    let spans = TraceLayer::new_for_http()
        .make_span_with(span)
        .on_request(())
        .on_response(replied::<axum::body::Body>)
        .on_failure(());
    let layers = ServiceBuilder::new()
        .layer(SetRequestIdLayer::x_request_id(Ids))
        .layer(spans)
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(from_fn(measured))
        .layer(from_fn_with_state(Arc::new(Tokens::new()), authenticated))
        .layer(from_fn_with_state(limit, limited))
        .layer(HandleErrorLayer::new(shed))
        .layer(LoadShedLayer::new())
        .layer(ConcurrencyLimitLayer::new(100))
        .layer(from_fn_with_state(breaker, broken))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_secs(5)));
    let router = Router::new().route("/greeting", get(greeting)).layer(layers);
    serve_one(TowerToHyperService::new(router))
}
