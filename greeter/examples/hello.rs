//! HTTP, gRPC, health and a clean stop: `curl 'localhost:9110/greeting?name=Ada'`, then ctrl-c.
use greeter::pb::{GreetingRequest as Ask, GreetingResponse as Reply, greeter_server as pb};
use kit_endpoint::{DeadlineLayer, Expired, Request};
use kit_transport_grpc::{GrpcLayer, Health, Server as Grpc, Unary};
use kit_transport_http::{Server as Http, json, query};
use std::{convert::Infallible, error::Error, future::IntoFuture, time::Duration};
use tonic::{Request as Rpc, Response, Status, service::Routes};

#[derive(serde::Deserialize)]
struct Hello {
    name: String,
}
async fn hello(request: Request<Hello>) -> Result<String, Expired> {
    Ok(format!("Hello, {}!", request.message().name))
}
struct Greeter<S>(S);
#[tonic::async_trait]
impl<S: Unary<Ask, Reply>> pb::Greeter for Greeter<S> {
    async fn greeting(&self, rpc: Rpc<Ask>) -> Result<Response<Reply>, Status> {
        self.0.serve(rpc).await
    }
}
#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (signals, (ready, readiness)) = (kit_run::signals()?, tokio::sync::watch::channel(true));
    let limit = Duration::from_secs(20);
    let hello = tower::ServiceBuilder::new().layer(DeadlineLayer::of_request()).service_fn(hello);
    let read = |Ask { name }| Ok::<_, Infallible>(Hello { name });
    let write = |greeting| Ok::<_, Infallible>(Reply { greeting });
    let greeter = pb::GreeterServer::new(Greeter(Grpc::new(hello.clone(), read, write)));
    let grpc = Routes::new(greeter).add_service(Health::new(readiness).into_server());
    let app = grpc.into_axum_router().layer(GrpcLayer::new()).reset_fallback();
    let app = app.route_service("/greeting", Http::new(hello, query::decode, json::encode));
    let server = kit_serve::serve(tokio::net::TcpListener::bind("127.0.0.1:9110").await?, app);
    let stop = server.handle();
    let group = kit_run::Group::new().signals(signals).actor("server", server.into_future());
    let group = group.on_shutdown("unready", limit, async move { ready.send(false) });
    let group = group.on_shutdown("drain", limit, async move { stop.drain_within(limit).await });
    Ok(group.run().await?)
}
