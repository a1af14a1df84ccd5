//! Axum: a router over functions, as axum's own examples write it.

use axum::{
    Json, Router,
    extract::Query,
    routing::{get, post},
};
use bytes::Bytes;
use http::StatusCode;
use hyper_util::service::TowerToHyperService;
use kit_bench::{BoxError, Greeting, Hello, echo, greet, serve_one};

async fn greeting(Query(hello): Query<Hello>) -> Result<Json<Greeting>, StatusCode> {
    greet(hello).await.map(Json).map_err(|_| StatusCode::BAD_REQUEST)
}

async fn echoed(body: Bytes) -> Bytes {
    echo(body).await
}

fn main() -> Result<(), BoxError> {
    let router = Router::new().route("/greeting", get(greeting)).route("/echo", post(echoed));
    serve_one(TowerToHyperService::new(router))
}
