//! The endpoints over HTTP, and a client of the greeting.

use crate::endpoints::{Endpoints, Error, Greeting, Health, Hello};
use axum::{Router, routing::get_service};
use bytes::Bytes;
use http::{Method, Response, StatusCode, Uri, header, uri::InvalidUri};
use kit_endpoint::{Endpoint, Fault, Kind, Request};
use kit_transport::Hook;
use kit_transport_http::{CallError, Client, DecodeError, EncodeError, Pool, Server, json, query};
use tower::service_fn;
use tower_http::{
    compression::CompressionLayer, cors::CorsLayer, sensitive_headers::SetSensitiveHeadersLayer,
};

/// There is nothing to answer the request.
#[derive(Debug, Clone, Copy, thiserror::Error)]
enum Unrouted {
    #[error("there is nothing here: try /greeting?name=Ada")]
    Path,
    #[error("this is only read: use GET")]
    Method,
}

/// Serves `endpoints`, watched by `hook`: `GET /greeting?name=` and
/// `GET /health`.
pub fn router<HealthEp, GreetingEp, H>(
    endpoints: Endpoints<HealthEp, GreetingEp>,
    hook: H,
) -> Router
where
    HealthEp: Endpoint<(), Response = Health, Error = Error>,
    GreetingEp: Endpoint<Hello, Response = Greeting, Error = Error>,
    H: Hook<Observer: Send + 'static> + Send + Sync + 'static,
{
    let unrouted = |why: Unrouted| {
        let refuse = service_fn(move |_: Request<()>| async move { Err::<(), _>(why) });
        Server::new(refuse, nothing, json::encode).hook(hook.clone())
    };
    let greeting = Server::new(endpoints.greeting, query::decode, json::encode);
    let health = Server::new(endpoints.health, nothing, encode_health);
    let greeting = get_service(greeting.route("/greeting").hook(hook.clone()));
    let health = get_service(health.route("/health").hook(hook.clone()));
    Router::new()
        .route("/greeting", greeting.fallback_service(unrouted(Unrouted::Method)))
        .route("/health", health.fallback_service(unrouted(Unrouted::Method)))
        .fallback_service(unrouted(Unrouted::Path))
        .layer(CompressionLayer::new())
        .layer(CorsLayer::new().allow_methods([Method::GET]).allow_origin(tower_http::cors::Any))
        .layer(SetSensitiveHeadersLayer::new([header::AUTHORIZATION, header::COOKIE]))
}

fn nothing(_: &http::Request<Bytes>) -> Result<(), DecodeError> {
    Ok(())
}

fn encode_health(health: Health) -> Result<Response<Bytes>, EncodeError> {
    let mut response = json::encode(health)?;
    if !health.healthy {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(response)
}

/// Returns the greeting of the greeter at `authority` (`HOST:PORT`).
///
/// # Errors
///
/// Fails if that is no authority.
pub fn client(
    pool: Pool,
    authority: &str,
) -> Result<impl Endpoint<Hello, Response = Greeting, Error = CallError> + use<>, InvalidUri> {
    let uri: Uri = format!("http://{authority}/greeting").parse()?;
    Ok(Client::new(pool, query::request(Method::GET, uri), json::reply))
}

impl Fault for Unrouted {
    fn kind(&self) -> Kind {
        match self {
            Self::Path => Kind::NotFound,
            Self::Method => Kind::MethodNotAllowed,
        }
    }
}
