//! A method as a service of `http` messages: no generated server around it.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use axum::Router;
use http::StatusCode;
use http_body_util::{BodyExt, Full};
use kit_endpoint::{Fault, Kind, Request};
use kit_transport::Outcome;
use kit_transport_grpc::{Client, GrpcLayer, Server, server::ReadError};
use std::{convert::Infallible, pin::pin};
use support::{
    Ends, Greeter, Heard, PATH, Wrong, call, call_of, decode, encode, hello,
    pb::{GreetingRequest, GreetingResponse, greeter_server::GreeterServer},
    seen,
};
use tokio_stream::{Stream, StreamExt};
use tokio_test::{assert_ready, assert_ready_ok, task};
use tonic::{Code, service::Routes};
use tower::{Layer, Service, ServiceExt, service_fn};

const ALIAS: &str = "/pb.Greeter/Greeting";

fn ask(name: String) -> Result<GreetingRequest, Infallible> {
    Ok(GreetingRequest { name })
}

fn answer(reply: GreetingResponse) -> Result<String, Infallible> {
    Ok(reply.greeting)
}

fn names(names: &[&str]) -> Request<impl Stream<Item = Result<String, Wrong>> + Send + use<>> {
    let names: Vec<_> = names.iter().map(|name| Ok((*name).to_owned())).collect();
    Request::new(tokio_stream::iter(names))
}

#[tokio::test]
async fn one_endpoint_answers_under_two_names() {
    let greeting = Server::new(service_fn(hello), decode, encode);
    let router: Router = Routes::default()
        .into_axum_router()
        .route_service(PATH, greeting.clone())
        .route_service(ALIAS, greeting);
    let ends = Ends::default();
    let service = GrpcLayer::new().finally(ends.finally()).layer(router);
    for path in [PATH, ALIAS] {
        let reply = seen(service.clone().oneshot(call_of(path)).await.unwrap()).await;
        assert_eq!(reply.status().code(), Code::Ok);
        assert_eq!(reply.greeting(), "Hello, Ada!");
    }
    let reply = service.oneshot(call_of("/pb.Greeter/Parting")).await.unwrap();
    let reply = seen(reply).await;
    assert_eq!((reply.http, reply.status().code()), (StatusCode::OK, Code::Unimplemented));
    assert_eq!(ends.count(), 3);
}

#[tokio::test]
async fn methods_of_all_four_shapes_are_served() {
    async fn letters(
        request: Request<String>,
    ) -> Result<impl Stream<Item = Result<String, Wrong>>, Wrong> {
        let letters: Vec<char> = request.message().chars().collect();
        Ok(tokio_stream::iter(letters).map(|letter| Ok(letter.to_string())))
    }

    async fn gather<St>(request: Request<St>) -> Result<String, ReadError>
    where
        St: Stream<Item = Result<String, ReadError>>,
    {
        let mut names = pin!(request.into_message());
        let mut all = String::new();
        while let Some(name) = names.try_next().await? {
            all += &name;
        }
        Ok(all)
    }

    async fn chat<St>(
        request: Request<St>,
    ) -> Result<impl Stream<Item = Result<String, ReadError>> + use<St>, ReadError>
    where
        St: Stream<Item = Result<String, ReadError>>,
    {
        Ok(request.into_message().map(|name| Ok(format!("Hello, {}", name?))))
    }

    let ada = || Request::new("Ada".to_owned());
    let decode: fn(GreetingRequest) -> Result<String, Infallible> = decode;

    let server = Server::new(service_fn(hello), decode, encode);
    let client = Client::new(server, PATH, ask, answer);
    assert_eq!(client.oneshot(ada()).await.unwrap(), "Hello, Ada!");

    let server = Server::server_streaming(service_fn(letters), decode, encode);
    let replies = Client::server_streaming(server, PATH, ask, answer).oneshot(ada()).await.unwrap();
    assert_eq!(replies.map(Result::unwrap).collect::<Vec<_>>().await, ["A", "d", "a"]);

    let server = Server::client_streaming(service_fn(gather), decode, encode);
    let client = Client::client_streaming(server, PATH, ask, answer);
    assert_eq!(client.oneshot(names(&["A", "d", "a"])).await.unwrap(), "Ada");

    let server = Server::bidi(service_fn(chat), decode, encode);
    let client = Client::bidi(server, PATH, ask, answer);
    let replies = client.oneshot(names(&["Ada", "Bob"])).await.unwrap();
    let replies: Vec<_> = replies.map(Result::unwrap).collect().await;
    assert_eq!(replies, ["Hello, Ada", "Hello, Bob"]);
}

#[tokio::test]
async fn a_fault_is_a_rich_status_as_under_a_generated_server() {
    async fn fail(_: Request<String>) -> Result<String, Wrong> {
        Err(Wrong::new(Kind::PayloadTooLarge))
    }

    let server = Server::new(service_fn(fail), decode, encode);
    let client = Client::new(server, PATH, ask, answer);
    let error = client.oneshot(Request::new("Ada".to_owned())).await.unwrap_err();
    assert_eq!(error.kind(), Kind::PayloadTooLarge, "the exact kind, by its details");
}

#[tokio::test]
async fn each_method_has_its_own_limits() {
    let server = || Server::new(service_fn(hello), decode, encode);
    let code = async |server| {
        let service = GrpcLayer::new().layer(server);
        seen(service.oneshot(call()).await.unwrap()).await.status().code()
    };
    // A tag, a length, and the text: `Ada` is 5 bytes, `Hello, Ada!` is 13.
    assert_eq!(code(server().max_decoding_message_size(5)).await, Code::Ok);
    assert_eq!(code(server().max_decoding_message_size(4)).await, Code::ResourceExhausted);
    assert_eq!(code(server().max_encoding_message_size(13)).await, Code::Ok);
    assert_eq!(code(server().max_encoding_message_size(12)).await, Code::ResourceExhausted);
}

#[tokio::test]
async fn a_reply_that_is_too_large_is_a_fault_that_hooks_hear() {
    let (ends, heard) = (Ends::default(), Heard::default());
    let server = Server::new(service_fn(hello), decode, encode).max_encoding_message_size(12);
    let service = GrpcLayer::new().hook(heard.hook()).finally(ends.finally()).layer(server);
    let status = seen(service.oneshot(call()).await.unwrap()).await.status();
    assert_eq!(status.message(), "the message has 13 bytes: at most 12 are sent");
    assert_eq!(heard.take().len(), 1);
    assert_eq!(ends.one().outcome, Outcome::Failed(Kind::PayloadTooLarge));

    // Amid a stream it ends it, and of the caller's own limits it is told apart.
    let greetings = service_fn(async |_: Request<String>| {
        let items = ["short", "too long", "short"].map(|item| Ok::<_, Wrong>(item.to_owned()));
        Ok::<_, Wrong>(tokio_stream::iter(items))
    });
    let server = Server::server_streaming(greetings, decode, encode).max_encoding_message_size(8);
    let client = Client::server_streaming(GrpcLayer::new().layer(server), PATH, ask, answer);
    let mut replies = client.oneshot(Request::new("Ada".to_owned())).await.unwrap();
    assert_eq!(replies.next().await.unwrap().unwrap(), "short");
    let error = replies.next().await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.refused()), (Kind::PayloadTooLarge, false));
    assert!(replies.next().await.is_none());
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn limits_are_of_messages_before_they_are_compressed_and_after() {
    use tonic::codec::CompressionEncoding::Gzip;

    let long = service_fn(async |_: Request<String>| Ok::<_, Wrong>("a".repeat(10_000)));
    let server = Server::new(long, decode, encode).send_compressed(Gzip);
    let ada = || Request::new("Ada".to_owned());
    let ask_for = |server| {
        let service = GrpcLayer::new().layer(server);
        Client::new(service, PATH, ask, answer).accept_compressed(Gzip)
    };
    let greeting = ask_for(server.clone()).oneshot(ada()).await.unwrap();
    assert_eq!(greeting.len(), 10_000);
    let sends = ask_for(server.clone().max_encoding_message_size(1024));
    assert_eq!(sends.oneshot(ada()).await.unwrap_err().kind(), Kind::PayloadTooLarge);
    let takes = ask_for(server).max_decoding_message_size(1024);
    assert_eq!(takes.oneshot(ada()).await.unwrap_err().kind(), Kind::PayloadTooLarge);
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn each_method_has_its_own_compression() {
    use tonic::codec::CompressionEncoding::Gzip;

    let server = || Server::new(service_fn(hello), decode, encode);
    let mut request = call();
    request.headers_mut().insert("grpc-accept-encoding", "gzip".parse().unwrap());
    let reply = seen(server().oneshot(request.clone()).await.unwrap()).await;
    assert_eq!(reply.body[0], 0);
    let reply = seen(server().send_compressed(Gzip).oneshot(request).await.unwrap()).await;
    assert_eq!(reply.headers["grpc-encoding"], "gzip");
    assert_eq!(reply.body[0], 1);

    let ada = || Request::new("Ada".to_owned());
    let client = Client::new(server(), PATH, ask, answer).send_compressed(Gzip);
    assert_eq!(client.oneshot(ada()).await.unwrap_err().kind(), Kind::Unimplemented);
    let client = Client::new(server().accept_compressed(Gzip), PATH, ask, answer);
    assert_eq!(client.send_compressed(Gzip).oneshot(ada()).await.unwrap(), "Hello, Ada!");
}

#[test]
fn a_call_takes_fewer_allocations_than_under_a_generated_server() {
    fn allocations<S, B>(service: &S) -> u64
    where
        S: Service<http::Request<Full<bytes::Bytes>>, Response = http::Response<B>> + Clone,
        S::Error: std::fmt::Debug,
        B: http_body::Body<Error: std::fmt::Debug> + Unpin,
    {
        let once = || {
            let request = call();
            let mut service = service.clone();
            let info = allocation_counter::measure(|| {
                let mut call = task::spawn(service.call(request));
                let mut reply = assert_ready_ok!(call.poll());
                while let Some(frame) = {
                    let mut frame = task::spawn(reply.body_mut().frame());
                    assert_ready!(frame.poll())
                } {
                    frame.unwrap();
                }
            });
            info.count_total
        };
        once().min(once())
    }

    let server = Server::new(service_fn(hello), decode, encode);
    let generated = GreeterServer::new(Greeter(server.clone()));
    // The boxes of the method and of its trait.
    assert_eq!(allocations(&server) + 2, allocations(&generated));
}

#[cfg(feature = "routes")]
#[tokio::test]
async fn health_and_reflection_are_mounted_in_one_call() {
    use kit_transport_grpc::{Health, routes};
    use tokio::sync::watch;
    use tonic_health::pb::{
        HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
    };
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest,
    };

    let (ready, readiness) = watch::channel(true);
    let health = Health::new(readiness).services(["greeter.v1.Greeter", "pb.Greeter"]);
    let greeting = Server::new(service_fn(hello), decode, encode);
    let routes = routes(health, &[]).unwrap().into_axum_router().route_service(PATH, greeting);
    let routes = Routes::from(routes);

    let client = Client::new(routes.clone(), PATH, ask, answer);
    assert_eq!(client.oneshot(Request::new("Ada".to_owned())).await.unwrap(), "Hello, Ada!");

    let mut client = HealthClient::new(routes.clone());
    for (is_ready, status) in [(true, ServingStatus::Serving), (false, ServingStatus::NotServing)] {
        ready.send_replace(is_ready);
        for service in ["", "greeter.v1.Greeter", "pb.Greeter"] {
            let request = HealthCheckRequest { service: service.to_owned() };
            assert_eq!(client.check(request).await.unwrap().into_inner().status(), status);
        }
    }

    let list = MessageRequest::ListServices(String::new());
    let list = ServerReflectionRequest { host: String::new(), message_request: Some(list) };
    let list = tokio_stream::once(list);
    let replies = ServerReflectionClient::new(routes).server_reflection_info(list).await.unwrap();
    assert!(replies.into_inner().next().await.unwrap().unwrap().message_response.is_some());
}
