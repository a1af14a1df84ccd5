//! Greets, over HTTP and gRPC.

#[derive(Debug, thiserror::Error)]
#[error("the name is empty: say whom to greet")]
struct EmptyName;

fn greet(name: &str) -> Result<String, EmptyName> {
    if name.is_empty() { Err(EmptyName) } else { Ok(format!("Hello, {name}!")) }
}

use kit_endpoint::{Expired, Fault, Kind, Panicked};

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    EmptyName(#[from] EmptyName),
    #[error(transparent)]
    Expired(#[from] Expired),
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

impl Fault for Error {
    fn inner(&self) -> Option<&dyn Fault> {
        match self {
            Self::EmptyName(_) => None,
            Self::Expired(fact) => Some(fact),
            Self::Panicked(fact) => Some(fact),
        }
    }

    fn kind(&self) -> Kind {
        self.inner().map_or(Kind::InvalidArgument, Fault::kind)
    }
}

use kit_endpoint::{CatchPanicLayer, DeadlineLayer, Endpoint, Request};
use std::time::Duration;
use tower::ServiceBuilder;

#[derive(serde::Deserialize)]
struct Hello {
    #[serde(default)]
    name: String,
}

#[derive(serde::Serialize)]
struct Greeting {
    greeting: String,
}

async fn greeting(request: Request<Hello>) -> Result<Greeting, Error> {
    let greeting = greet(&request.message().name)?;
    Ok(Greeting { greeting })
}

fn endpoint() -> impl Endpoint<Hello, Response = Greeting, Error = Error> {
    ServiceBuilder::new()
        .layer(DeadlineLayer::of_request().default(Duration::from_secs(5)))
        .layer(CatchPanicLayer::new())
        .service_fn(greeting)
}

use axum::{Router, routing::get_service};
use kit_transport::RequestIds;
use kit_transport_http::{json, query};

fn http(greeting: impl Endpoint<Hello, Response = Greeting, Error = Error>) -> Router {
    let server = kit_transport_http::Server::new(greeting, query::decode, json::encode)
        .route("/greeting")
        .hook(RequestIds)
        .finally(|end| eprintln!("http {} in {:?}", end.outcome, end.duration));
    Router::new()
        .route("/greeting", get_service(server))
        .route("/health", axum::routing::get(|| async { "well\n" }))
}

mod pb {
    tonic::include_proto!("greeter.v1");
}

use kit_transport_grpc::{GrpcLayer, Health};
use pb::{GreetingRequest, GreetingResponse};
use std::convert::Infallible;
use tokio::sync::watch;
use tonic::service::Routes;

fn decode(request: GreetingRequest) -> Result<Hello, Infallible> {
    Ok(Hello { name: request.name })
}

fn encode(reply: Greeting) -> Result<GreetingResponse, Infallible> {
    Ok(GreetingResponse { greeting: reply.greeting })
}

fn grpc(
    greeting: impl Endpoint<Hello, Response = Greeting, Error = Error>,
    ready: watch::Receiver<bool>,
) -> Router {
    let greeting = kit_transport_grpc::Server::new(greeting, decode, encode);
    Routes::new(Health::new(ready).into_server())
        .into_axum_router()
        .route_service("/greeter.v1.Greeter/Greeting", greeting)
        .layer(
            GrpcLayer::new()
                .hook(RequestIds)
                .finally(|end| eprintln!("grpc {} in {:?}", end.outcome, end.duration)),
        )
}

use kit_run::Group;
use std::future::IntoFuture;
use tokio::net::TcpListener;

const DRAIN: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let signals = kit_run::signals()?;
    let (ready, readiness) = watch::channel(true);

    let greeting = endpoint();
    let listener = TcpListener::bind("127.0.0.1:9110").await?;
    let http = kit_serve::serve(listener, http(greeting.clone()));
    let listener = TcpListener::bind("127.0.0.1:9120").await?;
    let grpc = kit_serve::serve(listener, grpc(greeting, readiness));
    let (http_handle, grpc_handle) = (http.handle(), grpc.handle());

    Group::new()
        .actor("http", http.into_future())
        .actor("grpc", grpc.into_future())
        .signals(signals)
        .on_shutdown("readiness off", Duration::from_secs(1), async move {
            ready.send_replace(false);
        })
        .on_shutdown("drain", DRAIN, async move {
            let (http, grpc) =
                tokio::join!(http_handle.drain_within(DRAIN), grpc_handle.drain_within(DRAIN));
            http.and(grpc)
        })
        .on_event(|event| eprintln!("{event}"))
        .run()
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{
        body::Body,
        http::{self, StatusCode},
    };
    use tower::ServiceExt;

    #[tokio::test]
    async fn an_empty_name_is_the_callers_fault() -> Result<(), Box<dyn std::error::Error>> {
        let request = http::Request::get("/greeting?name=").body(Body::empty())?;
        let response = http(endpoint()).oneshot(request).await?;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        Ok(())
    }
}
