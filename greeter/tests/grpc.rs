//! The endpoints over gRPC, as a service of requests.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use greeter::{
    endpoints::endpoints,
    entry::Entry,
    pb::{GreetingRequest, GreetingResponse, GreetingsRequest, greeter_client::GreeterClient},
    service::Greeter,
    transport::grpc::{ARTICLE, CHAT, GREETING, GREETINGS, routes},
};
use http::uri::PathAndQuery;
use kit_breaker::{Circuit, Limits};
use kit_metrics::Prometheus;
use kit_transport::{Call, End};
use kit_transport_grpc::GrpcLayer;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_stream::{StreamExt, wrappers::UnboundedReceiverStream};
use tonic::{Code, Status, Streaming, service::Routes};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_prost::ProstCodec;
use tower::Layer;

/// More than anything here takes, by a clock that moves when nothing else does.
const LIMIT: Duration = Duration::from_hours(1);

fn serving() -> (Routes, watch::Sender<bool>) {
    measured(Prometheus::new())
}

fn measured(metrics: Prometheus) -> (Routes, watch::Sender<bool>) {
    let (ready, readiness) = watch::channel(true);
    let circuit = Circuit::new("greeting", Limits::default());
    let endpoints = endpoints(Greeter, readiness.clone(), circuit, metrics, Entry::default());
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

fn hello(name: &str) -> GreetingRequest {
    GreetingRequest { name: name.to_owned() }
}

fn names(names: &[&str]) -> GreetingsRequest {
    GreetingsRequest { names: names.iter().copied().map(str::to_owned).collect() }
}

async fn next(
    replies: &mut Streaming<GreetingResponse>,
) -> Result<Option<GreetingResponse>, Status> {
    timeout(LIMIT, replies.message()).await.unwrap()
}

/// All of a stream: what it says, and the status that ends it.
async fn all(mut replies: Streaming<GreetingResponse>) -> (Vec<String>, Option<Status>) {
    let mut said = Vec::new();
    loop {
        match next(&mut replies).await {
            Ok(Some(reply)) => said.push(reply.greeting),
            Ok(None) => return (said, None),
            Err(status) => return (said, Some(status)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_generated_client_is_greeted_by_name_after_name() {
    assert_eq!(GREETINGS, "/greeter.v1.Greeter/Greetings");
    let asked = names(&["Ada", "Zoë", "Ada"]);
    let replies = GreeterClient::new(serving().0).greetings(asked).await.unwrap();
    let (said, status) = all(replies.into_inner()).await;
    assert_eq!(said, ["Hello, Ada!", "Hello, Zoë!", "Hello, Ada!"]);
    assert!(status.is_none(), "{status:?}");
}

#[tokio::test(start_paused = true)]
async fn a_chat_answers_each_name_before_the_next_is_said() {
    assert_eq!(CHAT, "/greeter.v1.Greeter/Chat");
    let (say, hellos) = mpsc::unbounded_channel();
    let mut client = GreeterClient::new(serving().0);
    let replies = timeout(LIMIT, client.chat(UnboundedReceiverStream::new(hellos))).await.unwrap();
    let mut replies = replies.unwrap().into_inner();
    for name in ["Ada", "Zoë"] {
        say.send(hello(name)).unwrap();
        let reply = next(&mut replies).await.unwrap().unwrap();
        assert_eq!(reply.greeting, format!("Hello, {name}!"));
    }
    drop(say);
    assert!(next(&mut replies).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_bad_name_amid_a_stream_is_its_trailing_status_in_the_words_of_the_greeting() {
    let long = "a".repeat(257);
    for name in ["", &long] {
        let words = ask(GREETING, name).await.unwrap_err();
        let mut client = GreeterClient::new(serving().0);
        let replies = client.greetings(names(&["Ada", name, "Eve"])).await.unwrap();
        let hellos = ["Ada", name, "Eve"].map(hello);
        let chat = client.chat(tokio_stream::iter(hellos)).await.unwrap();
        for replies in [replies, chat] {
            let (said, status) = all(replies.into_inner()).await;
            assert_eq!(said, ["Hello, Ada!"]);
            let status = status.unwrap();
            assert_eq!(status.code(), Code::InvalidArgument);
            assert_eq!(status.message(), words.message());
            assert_eq!(status.details(), words.details());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_can_be_told_before_the_stream_is_the_status_of_the_call() {
    let many = ["Ada"; 51];
    for (asked, advice) in [
        (&[][..], "say whom to greet"),
        (&["", "Ada"], "say whom to greet"),
        (&many, "give at most 50"),
    ] {
        let status = GreeterClient::new(serving().0).greetings(names(asked)).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains(advice), "{status}");
        assert!(!status.details().is_empty(), "the field is not named");
    }
}

#[tokio::test(start_paused = true)]
async fn a_chat_that_the_caller_gives_up_is_cancelled() {
    let metrics = Prometheus::new();
    let (say, hellos) = mpsc::unbounded_channel();
    let mut client = GreeterClient::new(measured(metrics.clone()).0);
    let replies = timeout(LIMIT, client.chat(UnboundedReceiverStream::new(hellos))).await.unwrap();
    let mut replies = replies.unwrap().into_inner();
    say.send(hello("Ada")).unwrap();
    next(&mut replies).await.unwrap().unwrap();
    drop(replies);
    assert!(say.is_closed(), "its requests are still read");
    let count = r#"endpoint_duration_seconds_count{endpoint="chat",kind="CANCELLED"} 1"#;
    let page = metrics.render();
    assert!(page.contains(count), "{page}");
}

#[tokio::test]
async fn the_hook_and_the_layers_hear_of_each_call_once() {
    let (metrics, heard) = (Prometheus::new(), Arc::new(Mutex::new(Vec::new())));
    let (ends, calls) = (Arc::clone(&heard), Arc::clone(&heard));
    let service = GrpcLayer::new()
        .before(move |call: &Call<'_>, _: &mut http::Extensions| {
            calls.lock().unwrap().push(format!("{} begins", call.method));
        })
        .finally(move |end: &End| ends.lock().unwrap().push(format!("ends {}", end.outcome)))
        .layer(measured(metrics.clone()).0);
    let mut client = GreeterClient::new(service);
    for (name, ended) in [("Ada", "OK"), ("", "INVALID_ARGUMENT")] {
        let expect = |method: &str| {
            let lines = std::mem::take(&mut *heard.lock().unwrap());
            let begun = format!("greeter.v1.Greeter/{method} begins");
            assert_eq!(lines, [begun, format!("ends {ended}")]);
        };
        assert_eq!(client.greeting(hello(name)).await.is_ok(), ended == "OK");
        expect("Greeting");
        if let Ok(replies) = client.greetings(names(&[name])).await {
            all(replies.into_inner()).await;
        }
        expect("Greetings");
        let hellos = tokio_stream::iter([hello(name)]);
        all(client.chat(hellos).await.unwrap().into_inner()).await;
        expect("Chat");
    }
    let page = metrics.render();
    for endpoint in ["greeting", "greetings", "chat"] {
        for kind in ["OK", "INVALID_ARGUMENT"] {
            let labels = format!(r#"endpoint="{endpoint}",kind="{kind}""#);
            let count = format!("endpoint_duration_seconds_count{{{labels}}} 1");
            assert!(page.contains(&count), "{count}: {page}");
        }
    }
}

#[tokio::test]
async fn an_unknown_method_or_service_is_unimplemented() {
    for path in [
        "/greeter.v1.Greeter/Parting",
        "/pb.Greeter/Parting",
        "/pb.Parter/Greeting",
        // The article has no streams.
        "/pb.Greeter/Greetings",
        "/pb.Greeter/Chat",
        "/nothing",
    ] {
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
