//! HTTP, gRPC, health and a clean stop: `curl 'localhost:9110/greeting?name=Ada'`, then ctrl-c.
use greeter::pb::{GreetingRequest, GreetingResponse};
use kit_endpoint::{DeadlineLayer, Expired, Request};
use kit_transport_grpc::{GrpcLayer, Health, Server as Grpc};
use kit_transport_http::{Server as Http, json, query};
use std::{convert::Infallible, error::Error, future::IntoFuture, time::Duration};
use tonic::service::Routes;

#[derive(serde::Deserialize)]
struct Hello {
    name: String,
}
async fn hello(request: Request<Hello>) -> Result<String, Expired> {
    Ok(format!("Hello, {}!", request.message().name))
}
#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (signals, (ready, readiness)) = (kit_run::signals()?, tokio::sync::watch::channel(true));
    let limit = Duration::from_secs(20);
    let hello = tower::ServiceBuilder::new().layer(DeadlineLayer::of_request()).service_fn(hello);
    let read = |GreetingRequest { name }| Ok::<_, Infallible>(Hello { name });
    let write = |greeting| Ok::<_, Infallible>(GreetingResponse { greeting });
    let greeting = Grpc::new(hello.clone(), read, write);
    let grpc = Routes::new(Health::new(readiness).into_server()).into_axum_router();
    let grpc = grpc.route_service("/greeter.v1.Greeter/Greeting", greeting);
    let app = grpc.layer(GrpcLayer::new()).reset_fallback();
    let app = app.route_service("/greeting", Http::new(hello, query::decode, json::encode));
    let server = kit_serve::serve(tokio::net::TcpListener::bind("127.0.0.1:9110").await?, app);
    let stop = server.handle();
    let group = kit_run::Group::new().signals(signals).actor("server", server.into_future());
    let group = group.on_shutdown("unready", limit, async move { ready.send(false) });
    let group = group.on_shutdown("drain", limit, async move { stop.drain_within(limit).await });
    Ok(group.run().await?)
}
