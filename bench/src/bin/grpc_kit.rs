//! Our gRPC server, alone: both of its parts, no hook, no layer.

use hyper_util::service::TowerToHyperService;
use kit_bench::pb::{
    GreetingRequest, GreetingResponse,
    greeter_server::{Greeter, GreeterServer},
};
use kit_bench::{Greeting, Hello, greet, serve_one};
use kit_endpoint::Request;
use kit_transport_grpc::{GrpcLayer, Server, Unary};
use std::{convert::Infallible, error::Error};
use tonic::{Response, Status};
use tower::{Layer, service_fn};

struct Kit<S>(S);

#[tonic::async_trait]
impl<S: Unary<GreetingRequest, GreetingResponse>> Greeter for Kit<S> {
    async fn greeting(
        &self,
        request: tonic::Request<GreetingRequest>,
    ) -> Result<Response<GreetingResponse>, Status> {
        self.0.serve(request).await
    }
}

fn decode(GreetingRequest { name }: GreetingRequest) -> Result<Hello, Infallible> {
    Ok(Hello { name })
}

fn encode(Greeting { greeting }: Greeting) -> Result<GreetingResponse, Infallible> {
    Ok(GreetingResponse { greeting })
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let endpoint = service_fn(|request: Request<Hello>| greet(request.into_message()));
    let server = GreeterServer::new(Kit(Server::new(endpoint, decode, encode)));
    serve_one(TowerToHyperService::new(GrpcLayer::new().layer(server)))
}
