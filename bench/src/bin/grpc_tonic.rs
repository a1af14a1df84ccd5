//! Bare tonic: the generated server over a hand-written method.

use hyper_util::service::TowerToHyperService;
use kit_bench::pb::{
    GreetingRequest, GreetingResponse,
    greeter_server::{Greeter, GreeterServer},
};
use kit_bench::{Hello, greet, serve_one};
use std::error::Error;
use tonic::{Request, Response, Status};

struct Bare;

#[tonic::async_trait]
impl Greeter for Bare {
    async fn greeting(
        &self,
        request: Request<GreetingRequest>,
    ) -> Result<Response<GreetingResponse>, Status> {
        let GreetingRequest { name } = request.into_inner();
        match greet(Hello { name }).await {
            Ok(reply) => Ok(Response::new(GreetingResponse { greeting: reply.greeting })),
            Err(error) => Err(Status::invalid_argument(error.to_string())),
        }
    }
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    serve_one(TowerToHyperService::new(GreeterServer::new(Bare)))
}
