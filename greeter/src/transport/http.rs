//! The endpoints over HTTP.

use crate::{
    cors,
    endpoints::{Endpoints, Error, Greeting, Health, Hello},
};
use axum::{Router, routing::get_service};
use http::{StatusCode, header};
use kit_endpoint::{Endpoint, Kind};
use kit_transport::Hook;
use kit_transport_http::{Server, json, nothing, query, refuse};
use tower_http::{compression::CompressionLayer, sensitive_headers::SetSensitiveHeadersLayer};

/// What is here, for who asks for something else.
const HERE: &str = "there is only GET of /greeting?name=NAME and of /health";

/// Serves `endpoints`, watched by `hook`: `GET /greeting?name=` and
/// `GET /health`.
pub fn router<H, G, K>(endpoints: Endpoints<H, G>, hook: &K) -> Router
where
    H: Endpoint<(), Response = Health, Error = Error>,
    G: Endpoint<Hello, Response = Greeting, Error = Error>,
    K: Hook<Observer: Send + 'static> + Send + Sync + 'static,
{
    let encode = |health: Health| {
        let well = if health.healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        json::encode_as(well, health)
    };
    let unrouted = |kind| refuse(kind, HERE).hook(hook.clone());
    let open = |served, route| cors::open(served, route, unrouted(Kind::MethodNotAllowed), hook);
    let greeting = Server::new(endpoints.greeting, query::decode, json::encode);
    let health = Server::new(endpoints.health, nothing, encode);
    let greeting = get_service(greeting.route("/greeting").hook(hook.clone()));
    let health = get_service(health.route("/health").hook(hook.clone()));
    Router::new()
        .route("/greeting", open(greeting, "/greeting"))
        .route("/health", open(health, "/health"))
        .fallback_service(unrouted(Kind::NotFound))
        .layer(cors::readable())
        .layer(CompressionLayer::new())
        .layer(SetSensitiveHeadersLayer::new([header::AUTHORIZATION, header::COOKIE]))
}
