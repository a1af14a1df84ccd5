//! The endpoints over gRPC.

use crate::{
    endpoints::{Endpoints, Error, Greeting, Greetings, Hello},
    pb::{self, GreetingRequest, GreetingResponse, GreetingsRequest},
};
use kit_endpoint::Endpoint;
use kit_transport_grpc::{BadDescriptor, Health, Server, server::Incoming};
use std::convert::Infallible;
use tokio::sync::watch;
use tonic::service::Routes;

/// The greeting's method, as gRPC names it.
pub const GREETING: &str = "/greeter.v1.Greeter/Greeting";
/// The article's own name for it, with the same messages.
pub const ARTICLE: &str = "/pb.Greeter/Greeting";
/// The method that greets many.
pub const GREETINGS: &str = "/greeter.v1.Greeter/Greetings";
/// The chat's method.
pub const CHAT: &str = "/greeter.v1.Greeter/Chat";

/// The requests of a chat.
pub type Hellos = Incoming<GreetingRequest, fn(GreetingRequest) -> Result<Hello, Infallible>>;

/// Serves `endpoints`, gRPC's health check fed by `ready`, and reflection.
///
/// # Errors
///
/// Fails if the descriptor of the service is not one.
pub fn routes<H, G, M, C>(
    endpoints: Endpoints<H, G, M, C>,
    ready: watch::Receiver<bool>,
) -> Result<Routes, BadDescriptor>
where
    G: Endpoint<Hello, Response = Greeting, Error = Error>,
    M: Endpoint<Vec<String>, Response: Greetings, Error = Error>,
    C: Endpoint<Hellos, Response: Greetings, Error = Error>,
{
    let decode: fn(GreetingRequest) -> _ = |ask| Ok::<_, Infallible>(Hello { name: ask.name });
    let names = |ask: GreetingsRequest| Ok::<_, Infallible>(ask.names);
    let encode = |Greeting { greeting }| Ok::<_, Infallible>(GreetingResponse { greeting });
    let greeting = Server::new(endpoints.greeting, decode, encode);
    let greetings = Server::server_streaming(endpoints.greetings, names, encode);
    let chat = Server::bidi(endpoints.chat, decode, encode);
    let health = Health::new(ready).services(["greeter.v1.Greeter", "pb.Greeter"]);
    Ok(kit_transport_grpc::routes(health, &[pb::DESCRIPTOR])?
        .into_axum_router()
        .route_service(GREETING, greeting.clone())
        .route_service(ARTICLE, greeting)
        .route_service(GREETINGS, greetings)
        .route_service(CHAT, chat)
        .into())
}
