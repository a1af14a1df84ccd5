//! Metadata beside the replies, initial and trailing.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use kit_endpoint::{Kind, Request};
use kit_transport::Call;
use kit_transport_grpc::{GrpcLayer, ReplyMetadata, Server};
use std::{future::pending, time::Duration};
use support::{
    Greeter, Seen, Wrong, call, call_of, decode, encode,
    pb::greeter_server::GreeterServer,
    seen,
    streams::{GREETINGS, Methods, StreamsServer},
};
use tokio::time::advance;
use tokio_stream::{Stream, StreamExt};
use tokio_test::{assert_pending, task};
use tonic::{
    Code,
    metadata::{BinaryMetadataValue, MetadataValue},
};
use tower::{Layer, ServiceExt, service_fn};

type Reply = Result<String, Wrong>;

/// Says `initial`, `trailing`, and some of what is gRPC's own.
fn speak(request: &Request<String>) -> ReplyMetadata {
    let metadata = request.extensions().get::<ReplyMetadata>().expect("the layer gives it");
    metadata.initial(|initial| {
        initial.insert("x-initial", "1".parse().unwrap());
        initial.insert("grpc-status", "9".parse().unwrap());
        initial.insert("content-type", "text/plain".parse().unwrap());
    });
    metadata.trailing(|trailing| {
        trailing.append("x-trailing", "1".parse().unwrap());
        trailing.append("x-trailing", "2".parse().unwrap());
        trailing.insert("grpc-status", "9".parse().unwrap());
        trailing.insert_bin("x-raw-bin", BinaryMetadataValue::from_bytes(b"\0\xff"));
    });
    metadata.clone()
}

async fn speaks(request: Request<String>) -> Reply {
    speak(&request);
    Ok(format!("Hello, {}!", request.message()))
}

async fn ask<F>(endpoint: fn(Request<String>) -> F) -> Seen
where
    F: Future<Output = Reply> + Send + 'static,
{
    let server = Server::new(service_fn(endpoint), decode, encode);
    let service = GrpcLayer::new().reply_metadata().layer(GreeterServer::new(Greeter(server)));
    seen(service.oneshot(call()).await.unwrap()).await
}

fn values<'h>(headers: &'h http::HeaderMap, name: &str) -> Vec<&'h str> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test]
async fn an_endpoint_says_initial_and_trailing_metadata() {
    let reply = ask(speaks).await;
    assert_eq!(reply.greeting(), "Hello, Ada!");
    assert_eq!(values(&reply.headers, "x-initial"), ["1"]);
    assert!(!reply.headers.contains_key("x-trailing"));
    assert_eq!(values(&reply.trailers, "x-trailing"), ["1", "2"]);
    assert!(!reply.trailers.contains_key("x-initial"));
}

#[tokio::test]
async fn what_is_grpcs_own_is_not_an_endpoints_to_say() {
    let reply = ask(speaks).await;
    assert_eq!(values(&reply.headers, "content-type"), ["application/grpc"]);
    assert_eq!(values(&reply.headers, "grpc-status"), [""; 0]);
    assert_eq!(values(&reply.trailers, "grpc-status"), ["0"]);
}

#[tokio::test]
async fn binary_metadata_is_encoded_once() {
    let reply = ask(speaks).await;
    assert_eq!(values(&reply.trailers, "x-raw-bin"), ["AP8"]);
}

#[tokio::test]
async fn a_failure_has_both_in_its_one_block() {
    async fn fails(request: Request<String>) -> Reply {
        speak(&request);
        let mut wrong = Wrong::new(Kind::NotFound);
        wrong.describe = |details| {
            details.header(http::header::AGE, http::HeaderValue::from_static("7"));
        };
        Err(wrong)
    }

    let reply = ask(fails).await;
    assert_eq!(reply.status().code(), Code::NotFound);
    assert_eq!(values(&reply.headers, "grpc-status"), ["5"]);
    assert_eq!(values(&reply.headers, "x-initial"), ["1"]);
    assert_eq!(values(&reply.headers, "x-trailing"), ["1", "2"]);
    assert_eq!(values(&reply.headers, "age"), ["7"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_too_late_has_what_was_said_in_time() {
    async fn never(request: Request<String>) -> Reply {
        speak(&request);
        pending().await
    }

    let server = Server::new(service_fn(never), decode, encode);
    let service = GrpcLayer::new().reply_metadata().layer(GreeterServer::new(Greeter(server)));
    let mut request = call();
    request.headers_mut().insert("grpc-timeout", "50m".parse().unwrap());
    let mut late = task::spawn(async move { seen(service.oneshot(request).await.unwrap()).await });
    assert_pending!(late.poll());
    advance(Duration::from_millis(51)).await;
    let reply = late.await;
    assert_eq!(reply.status().code(), Code::DeadlineExceeded);
    assert_eq!(values(&reply.headers, "x-trailing"), ["1", "2"]);
}

#[tokio::test]
async fn without_the_layers_say_there_is_none() {
    async fn looks(request: Request<String>) -> Reply {
        Ok(request.extensions().get::<ReplyMetadata>().is_some().to_string())
    }

    let server = Server::new(service_fn(looks), decode, encode);
    let service = GrpcLayer::new().layer(GreeterServer::new(Greeter(server)));
    let reply = seen(service.oneshot(call()).await.unwrap()).await;
    assert_eq!(reply.greeting(), "false");
}

/// Counts its items in the trailers, at the end, whatever that is.
async fn counts(request: Request<String>) -> Result<impl Stream<Item = Reply>, Wrong> {
    let metadata = speak(&request);
    let mut count = 0;
    let letters: Vec<char> = request.message().chars().collect();
    Ok(tokio_stream::iter(letters).map(move |letter| {
        count += 1;
        metadata.trailing(|trailing| {
            trailing.insert("x-count", MetadataValue::from(count));
        });
        if letter == 'a' { Err(Wrong::new(Kind::Aborted)) } else { Ok(letter.to_string()) }
    }))
}

#[tokio::test]
async fn a_stream_speaks_at_its_end() {
    let server = Server::server_streaming(service_fn(counts), decode, encode);
    let unused = |_: tonic::Request<tonic::Streaming<support::pb::GreetingRequest>>| async {
        Err(tonic::Status::unimplemented(""))
    };
    let streams: Methods<_, _, _> = Methods {
        greetings: server,
        gather: service_fn(unused),
        chat: service_fn(
            |_: tonic::Request<tonic::Streaming<support::pb::GreetingRequest>>| async {
                Err::<tonic::Response<tokio_stream::Empty<_>>, _>(tonic::Status::unimplemented(""))
            },
        ),
    };
    let service = GrpcLayer::new().reply_metadata().layer(StreamsServer::new(streams));
    let reply = seen(service.oneshot(call_of(GREETINGS)).await.unwrap()).await;
    assert_eq!(values(&reply.headers, "x-initial"), ["1"]);
    assert_eq!(values(&reply.trailers, "grpc-status"), ["10"]);
    assert_eq!(values(&reply.trailers, "x-count"), ["3"]);
}

#[tokio::test]
async fn a_hook_may_speak_as_well() {
    let service = GrpcLayer::new()
        .reply_metadata()
        .before(|call: &Call<'_>, extensions: &mut http::Extensions| {
            let id = call.headers["correlation-id"].to_str().unwrap().parse().unwrap();
            let metadata = extensions.get::<ReplyMetadata>().unwrap();
            metadata.trailing(|trailing| trailing.insert("correlation-id", id));
        })
        .layer(GreeterServer::new(Greeter(Server::new(
            service_fn(support::hello),
            decode,
            encode,
        ))));
    let mut request = call();
    request.headers_mut().insert("correlation-id", "42".parse().unwrap());
    let reply = seen(service.oneshot(request).await.unwrap()).await;
    assert_eq!(values(&reply.trailers, "correlation-id"), ["42"]);
}
