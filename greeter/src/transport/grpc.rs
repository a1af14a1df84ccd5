//! The endpoints over gRPC.

use crate::{
    endpoints::{Endpoints, Error, Greeting, Hello},
    pb::{
        self, GreetingRequest, GreetingResponse,
        greeter_server::{self, GreeterServer},
    },
};
use axum::body::Body;
use http::Uri;
use kit_endpoint::Endpoint;
use kit_transport_grpc::{BadDescriptor, Health, Server, Unary, reflection};
use std::convert::Infallible;
use tokio::sync::watch;
use tonic::{Response, Status, service::Routes};
use tower::ServiceExt;

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
    let greeter = GreeterServer::new(Greeter(Server::new(endpoints.greeting, decode, encode)));
    let article = greeter.clone().map_request(|mut request: http::Request<Body>| {
        *request.uri_mut() = Uri::from_static(GREETING);
        request
    });
    let health = Health::new(ready.clone())
        .service("greeter.v1.Greeter", ready.clone())
        .service("pb.Greeter", ready);
    let (reflection, reflection_alpha) = reflection(&[pb::DESCRIPTOR])?;
    let routes = Routes::new(greeter)
        .add_service(health.into_server())
        .add_service(reflection)
        .add_service(reflection_alpha);
    Ok(routes.into_axum_router().route_service(ARTICLE, article).into())
}

struct Greeter<S>(S);

#[tonic::async_trait]
impl<S: Unary<GreetingRequest, GreetingResponse>> greeter_server::Greeter for Greeter<S> {
    async fn greeting(
        &self,
        request: tonic::Request<GreetingRequest>,
    ) -> Result<Response<GreetingResponse>, Status> {
        self.0.serve(request).await
    }
}
