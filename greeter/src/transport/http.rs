//! The endpoints over HTTP.

use crate::{
    cors,
    endpoints::{Endpoints, Error, Greeting, Greetings, Health, Hello},
};
use axum::{Router, routing::get_service};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use kit_endpoint::{Endpoint, Kind};
use kit_transport::Hook;
use kit_transport_http::{DecodeError, Server, json, nothing, query, refuse, sse};
use tower_http::{compression::CompressionLayer, sensitive_headers::SetSensitiveHeadersLayer};

/// What is here, for who asks for something else.
const HERE: &str = "there is only GET of /greeting?name=NAME, of /greetings?name=NAME&name=NAME \
                    and of /health";

/// Serves `endpoints`, watched by `hook`: `GET /greeting?name=`, as server-sent
/// events `GET /greetings?name=&name=`, and `GET /health`. A chat is for gRPC.
pub fn router<H, G, M, C, K>(endpoints: Endpoints<H, G, M, C>, hook: &K) -> Router
where
    H: Endpoint<(), Response = Health, Error = Error>,
    G: Endpoint<Hello, Response = Greeting, Error = Error>,
    M: Endpoint<Vec<String>, Response: Greetings, Error = Error>,
    K: Hook<Observer: Send + 'static> + Send + Sync + 'static,
{
    let encode = |health: Health| {
        let well = if health.healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        json::encode_as(well, health)
    };
    let wrong = |route| refuse(Kind::MethodNotAllowed, HERE).route(route).hook(hook.clone());
    let open = |served, route| cors::open(served, route, wrong(route), hook);
    let greeting = Server::new(endpoints.greeting, query::decode, json::encode).route("/greeting");
    let events = Server::server_streaming(endpoints.greetings, names, sse::Writer::new(sse::json));
    let greetings = events.route("/greetings");
    let health = Server::new(endpoints.health, nothing, encode).route("/health");
    Router::new()
        .route("/greeting", open(get_service(greeting.hook(hook.clone())), "/greeting"))
        .route("/greetings", open(get_service(greetings.hook(hook.clone())), "/greetings"))
        .route("/health", open(get_service(health.hook(hook.clone())), "/health"))
        .fallback_service(refuse(Kind::NotFound, HERE).hook(hook.clone()))
        // As one: each layer of a router boxes its request.
        .layer((
            SetSensitiveHeadersLayer::new([header::AUTHORIZATION, header::COOKIE]),
            CompressionLayer::new(),
            cors::readable(),
        ))
}

/// Decodes the names in a query, each a parameter of its own.
fn names(request: &Request<Bytes>) -> Result<Vec<String>, DecodeError> {
    let pairs: Vec<(String, String)> = query::decode(request)?;
    Ok(pairs.into_iter().filter(|(key, _)| key == "name").map(|(_, name)| name).collect())
}
