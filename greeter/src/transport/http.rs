//! The endpoints over HTTP.

use crate::endpoints::{Endpoints, Error, Greeting, Health, Hello};
use axum::{Router, routing::get_service};
use bytes::Bytes;
use http::{Method, Response, StatusCode, header};
use kit_endpoint::{Endpoint, Fault, Kind, Request};
use kit_transport::Hook;
use kit_transport_http::{EncodeError, Server, json, query};
use std::convert::Infallible;
use tower::service_fn;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{Any, CorsLayer};
use tower_http::sensitive_headers::SetSensitiveHeadersLayer;

/// There is nothing at this path, or nothing by this method.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("there is only GET of /greeting?name=NAME and of /health")]
struct Unrouted(Kind);

/// Serves `endpoints`, watched by `hook`: `GET /greeting?name=` and
/// `GET /health`.
pub fn router<H, G, K>(endpoints: Endpoints<H, G>, hook: &K) -> Router
where
    H: Endpoint<(), Response = Health, Error = Error>,
    G: Endpoint<Hello, Response = Greeting, Error = Error>,
    K: Hook<Observer: Send + 'static> + Send + Sync + 'static,
{
    let nothing = |_: &http::Request<Bytes>| Ok::<_, Infallible>(());
    let unrouted = |kind| {
        let refuse = service_fn(move |_: Request<()>| async move { Err::<(), _>(Unrouted(kind)) });
        Server::new(refuse, nothing, json::encode).hook(hook.clone())
    };
    let greeting = Server::new(endpoints.greeting, query::decode, json::encode);
    let health = Server::new(endpoints.health, nothing, encode_health);
    let greeting = get_service(greeting.route("/greeting").hook(hook.clone()));
    let health = get_service(health.route("/health").hook(hook.clone()));
    Router::new()
        .route("/greeting", greeting.fallback_service(unrouted(Kind::MethodNotAllowed)))
        .route("/health", health.fallback_service(unrouted(Kind::MethodNotAllowed)))
        .fallback_service(unrouted(Kind::NotFound))
        .layer(CompressionLayer::new())
        .layer(CorsLayer::new().allow_methods([Method::GET]).allow_origin(Any))
        .layer(SetSensitiveHeadersLayer::new([header::AUTHORIZATION, header::COOKIE]))
}

fn encode_health(health: Health) -> Result<Response<Bytes>, EncodeError> {
    let mut response = json::encode(health)?;
    if !health.healthy {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(response)
}

impl Fault for Unrouted {
    fn kind(&self) -> Kind {
        self.0
    }
}
