//! The endpoints over gRPC, as a service of requests.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use greeter::{
    endpoints::endpoints,
    pb::{GreetingRequest, GreetingResponse, greeter_client::GreeterClient},
    service::Greeter,
    transport::grpc::{ARTICLE, GREETING, routes},
};
use http::uri::PathAndQuery;
use kit_breaker::{Circuit, Limits};
use kit_metrics::Prometheus;
use kit_transport_grpc::GrpcLayer;
use tokio::sync::watch;
use tokio_stream::StreamExt;
use tonic::{Code, Status, service::Routes};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_prost::ProstCodec;
use tower::Layer;

fn serving() -> (Routes, watch::Sender<bool>) {
    let (ready, readiness) = watch::channel(true);
    let circuit = Circuit::new("greeting", Limits::default());
    let endpoints = endpoints(Greeter, readiness.clone(), circuit, Prometheus::new());
    (routes(endpoints, readiness).unwrap(), ready)
}

async fn ask(path: &'static str, name: &str) -> Result<String, Status> {
    let mut grpc = tonic::client::Grpc::new(serving().0);
    grpc.ready().await.unwrap();
    let codec: ProstCodec<GreetingRequest, GreetingResponse> = ProstCodec::default();
    let request = tonic::Request::new(GreetingRequest { name: name.to_owned() });
    let reply = grpc.unary(request, PathAndQuery::from_static(path), codec).await?;
    Ok(reply.into_inner().greeting)
}

#[tokio::test]
async fn the_generated_client_is_greeted() {
    let request = GreetingRequest { name: "Zoë".to_owned() };
    let reply = GreeterClient::new(serving().0).greeting(request).await.unwrap();
    assert_eq!(reply.into_inner().greeting, "Hello, Zoë!");
}

#[tokio::test]
async fn both_names_of_the_service_greet() {
    assert_eq!(GREETING, "/greeter.v1.Greeter/Greeting");
    assert_eq!(ARTICLE, "/pb.Greeter/Greeting");
    for path in [GREETING, ARTICLE] {
        assert_eq!(ask(path, "Ada").await.unwrap(), "Hello, Ada!");
        let longest = "a".repeat(256);
        assert_eq!(ask(path, &longest).await.unwrap(), format!("Hello, {longest}!"));
    }
}

#[tokio::test]
async fn a_bad_name_is_an_invalid_argument_that_says_what_to_do() {
    for path in [GREETING, ARTICLE] {
        for (name, advice) in [("", "say whom to greet"), (&"a".repeat(257), "at most 256 bytes")] {
            let status = ask(path, name).await.unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument);
            assert!(status.message().contains(advice), "{status}");
            assert!(!status.details().is_empty(), "the field is not named");
        }
    }
}

#[tokio::test]
async fn a_caller_whose_time_is_up_is_told_so() {
    let routes = GrpcLayer::new().layer(serving().0);
    let mut request = tonic::Request::new(GreetingRequest { name: "Ada".to_owned() });
    request.metadata_mut().insert("grpc-timeout", "0n".parse().unwrap());
    let status = GreeterClient::new(routes).greeting(request).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn an_unknown_method_or_service_is_unimplemented() {
    for path in
        ["/greeter.v1.Greeter/Parting", "/pb.Greeter/Parting", "/pb.Parter/Greeting", "/nothing"]
    {
        let status = ask(path, "Ada").await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented, "{path}");
    }
}

#[tokio::test]
async fn the_health_of_every_name_follows_readiness() {
    let (routes, ready) = serving();
    let mut client = HealthClient::new(routes);
    for (is_ready, expected) in [(true, ServingStatus::Serving), (false, ServingStatus::NotServing)]
    {
        ready.send_replace(is_ready);
        for service in ["", "greeter.v1.Greeter", "pb.Greeter"] {
            let request = HealthCheckRequest { service: service.to_owned() };
            let reply = client.check(request).await.unwrap().into_inner();
            assert_eq!(reply.status(), expected, "{service:?}");
        }
    }
    let request = HealthCheckRequest { service: "nobody".to_owned() };
    assert_eq!(client.check(request).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_watch_of_health_hears_each_change() {
    let (routes, ready) = serving();
    let request = HealthCheckRequest { service: "greeter.v1.Greeter".to_owned() };
    let mut changes = HealthClient::new(routes).watch(request).await.unwrap().into_inner();
    assert_eq!(changes.next().await.unwrap().unwrap().status(), ServingStatus::Serving);
    ready.send_replace(false);
    assert_eq!(changes.next().await.unwrap().unwrap().status(), ServingStatus::NotServing);
}

macro_rules! reflection_of {
    ($name:ident, $version:ident) => {
        #[tokio::test]
        async fn $name() {
            use tonic_reflection::pb::$version::{
                ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
                server_reflection_request::MessageRequest,
                server_reflection_response::MessageResponse,
            };

            let ask = |message_request| ServerReflectionRequest {
                host: String::new(),
                message_request: Some(message_request),
            };
            let symbols = ["greeter.v1.Greeter", "pb.Greeter.Greeting", "pb.GreetingRequest"];
            let mut requests = vec![ask(MessageRequest::ListServices(String::new()))];
            requests.extend(
                symbols.map(|name| ask(MessageRequest::FileContainingSymbol(name.to_owned()))),
            );
            let mut replies = ServerReflectionClient::new(serving().0)
                .server_reflection_info(tokio_stream::iter(requests))
                .await
                .unwrap()
                .into_inner();
            let list = replies.next().await.unwrap().unwrap().message_response.unwrap();
            let MessageResponse::ListServicesResponse(list) = list else {
                panic!("not a list: {list:?}")
            };
            let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
            for name in ["greeter.v1.Greeter", "pb.Greeter", "grpc.health.v1.Health"] {
                assert!(names.iter().any(|known| known == name), "{name} is not in {names:?}");
            }
            for symbol in symbols {
                let reply = replies.next().await.unwrap().unwrap().message_response.unwrap();
                let MessageResponse::FileDescriptorResponse(files) = reply else {
                    panic!("no file of {symbol}: {reply:?}")
                };
                assert!(!files.file_descriptor_proto.is_empty());
            }
        }
    };
}

reflection_of!(reflection_v1_lists_and_describes_both_names, v1);
reflection_of!(reflection_v1alpha_lists_and_describes_both_names, v1alpha);
