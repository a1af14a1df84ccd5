//! The endpoints over gRPC.

use crate::{
    endpoints::{Endpoints, Error, Greeting, Hello},
    pb::{self, GreetingRequest, GreetingResponse},
};
use kit_endpoint::Endpoint;
use kit_transport_grpc::{BadDescriptor, Health, Server};
use std::convert::Infallible;
use tokio::sync::watch;
use tonic::service::Routes;

/// The greeting's method, as gRPC names it.
pub const GREETING: &str = "/greeter.v1.Greeter/Greeting";
/// The article's own name for it, with the same messages.
pub const ARTICLE: &str = "/pb.Greeter/Greeting";

/// Serves `endpoints`, gRPC's health check fed by `ready`, and reflection.
///
/// # Errors
///
/// Fails if the descriptor of the service is not one.
pub fn routes<H, G>(
    endpoints: Endpoints<H, G>,
    ready: watch::Receiver<bool>,
) -> Result<Routes, BadDescriptor>
where
    G: Endpoint<Hello, Response = Greeting, Error = Error>,
{
    let decode = |ask: GreetingRequest| Ok::<_, Infallible>(Hello { name: ask.name });
    let encode =
        |reply: Greeting| Ok::<_, Infallible>(GreetingResponse { greeting: reply.greeting });
    let greeting = Server::new(endpoints.greeting, decode, encode);
    let health = Health::new(ready).services(["greeter.v1.Greeter", "pb.Greeter"]);
    Ok(kit_transport_grpc::routes(health, &[pb::DESCRIPTOR])?
        .into_axum_router()
        .route_service(GREETING, greeting.clone())
        .route_service(ARTICLE, greeting)
        .into())
}
