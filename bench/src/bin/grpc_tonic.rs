//! Bare tonic: the generated server over hand-written methods.

use hyper_util::service::TowerToHyperService;
use kit_bench::{
    BoxError, EmptyName, Greeting, Hello, Many, greet, greeting,
    pb::{
        Ask, Reply,
        bench_server::{Bench, BenchServer},
    },
    serve_one,
};
use tokio_stream::{StreamExt, adapters::Map};
use tonic::{Request, Response, Status, Streaming};

struct Bare;

fn written(greeting: Result<Greeting, EmptyName>) -> Result<Reply, Status> {
    match greeting {
        Ok(Greeting { greeting }) => Ok(Reply { greeting }),
        Err(error) => Err(Status::invalid_argument(error.to_string())),
    }
}

fn answered(ask: Result<Ask, Status>) -> Result<Reply, Status> {
    written(greeting(&ask?.name))
}

#[tonic::async_trait]
impl Bench for Bare {
    async fn greet(&self, request: Request<Ask>) -> Result<Response<Reply>, Status> {
        let Ask { name, .. } = request.into_inner();
        written(greet(Hello { name }).await).map(Response::new)
    }

    type ManyStream = Map<Many, fn(Result<Greeting, EmptyName>) -> Result<Reply, Status>>;

    async fn many(&self, request: Request<Ask>) -> Result<Response<Self::ManyStream>, Status> {
        let Ask { name, count } = request.into_inner();
        Ok(Response::new(Many::new(name, count).map(written)))
    }

    async fn gather(&self, request: Request<Streaming<Ask>>) -> Result<Response<Reply>, Status> {
        let mut asks = request.into_inner();
        let mut last = Reply::default();
        while let Some(ask) = asks.message().await? {
            last = answered(Ok(ask))?;
        }
        Ok(Response::new(last))
    }

    type ChatStream = Map<Streaming<Ask>, fn(Result<Ask, Status>) -> Result<Reply, Status>>;

    async fn chat(
        &self,
        request: Request<Streaming<Ask>>,
    ) -> Result<Response<Self::ChatStream>, Status> {
        Ok(Response::new(request.into_inner().map(answered)))
    }
}

fn main() -> Result<(), BoxError> {
    serve_one(TowerToHyperService::new(BenchServer::new(Bare)))
}
