//! What the greeter is over gRPC, by hand: tonic, its server, and tower-http's
//! layers.

use greeter::{
    log::{self, Format},
    pb::{
        GreetingRequest, GreetingResponse, GreetingsRequest,
        greeter_server::{self, GreeterServer},
    },
    service::{Greeter, Service},
};
use kit_bench::{BoxError, Ids, say, serve_until_told};
use std::{hint::black_box, net::Ipv4Addr, time::Duration};
use tokio::net::TcpListener;
use tokio_stream::Empty;
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Server, server::TcpIncoming},
};
use tower::ServiceBuilder;
use tower_http::request_id::{PropagateRequestIdLayer, SetRequestIdLayer};

struct ByHand;

#[tonic::async_trait]
impl greeter_server::Greeter for ByHand {
    async fn greeting(
        &self,
        request: Request<GreetingRequest>,
    ) -> Result<Response<GreetingResponse>, Status> {
        black_box(request.remote_addr());
        let greeting = Greeter.greeting(&request.into_inner().name);
        let greeting = greeting.map_err(|error| Status::invalid_argument(error.to_string()))?;
        Ok(Response::new(GreetingResponse { greeting }))
    }

    type GreetingsStream = Empty<Result<GreetingResponse, Status>>;

    async fn greetings(
        &self,
        _: Request<GreetingsRequest>,
    ) -> Result<Response<Self::GreetingsStream>, Status> {
        Err(Status::unimplemented("not measured"))
    }

    type ChatStream = Empty<Result<GreetingResponse, Status>>;

    async fn chat(
        &self,
        _: Request<Streaming<GreetingRequest>>,
    ) -> Result<Response<Self::ChatStream>, Status> {
        Err(Status::unimplemented("not measured"))
    }
}

fn main() -> Result<(), BoxError> {
    log::install("warn", Format::default());
    let layers = ServiceBuilder::new()
        .layer(SetRequestIdLayer::x_request_id(Ids))
        .layer(PropagateRequestIdLayer::x_request_id());
    serve_until_told(async || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        say(listener.local_addr()?.port())?;
        let served = Server::builder()
            .timeout(Duration::from_secs(5))
            .layer(layers)
            .add_service(GreeterServer::new(ByHand))
            .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)));
        Ok(served.await?)
    })
}
