//! Once over a real connection: what hyper and h2 make of it.

#![cfg(feature = "channel")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use http_body::Frame;
use http_body_util::StreamBody;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use kit_endpoint::{Fault, Kind, Request};
use kit_transport::{End, Outcome, RequestIds};
use kit_transport_grpc::{CallError, Client, GrpcLayer, Server, channel};
use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};
use support::{
    Ends, Greeter, PATH, hello,
    pb::{GreetingRequest, GreetingResponse, greeter_server::GreeterServer},
};
use tonic::service::Routes;
use tower::{Layer, ServiceExt, service_fn};

type BoxBody = http_body_util::combinators::BoxBody<bytes::Bytes, std::io::Error>;

fn encode(name: String) -> Result<GreetingRequest, Infallible> {
    Ok(GreetingRequest { name })
}

fn decode(reply: GreetingResponse) -> Result<String, Infallible> {
    Ok(reply.greeting)
}

#[tokio::test]
async fn a_call_goes_over_a_connection_and_ends_once() {
    let ends = Ends::default();
    let server = Server::new(service_fn(hello), support::decode, support::encode);
    let service = GrpcLayer::new()
        .hook(RequestIds)
        .finally(ends.finally())
        .layer(Routes::new(GreeterServer::new(Greeter(server))));

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = async {
        let (stream, _) = listener.accept().await.unwrap();
        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
            .await
            .unwrap();
    };
    let calling = async {
        let channel = channel(&format!("grpc://{address}")).unwrap();
        let client = Client::new(channel.clone(), PATH, encode, decode);
        let greeting = client.oneshot(Request::new("Ada".to_owned())).await.unwrap();
        assert_eq!(greeting, "Hello, Ada!");
        let nobody = Client::new(channel, "/greeter.v1.Greeter/Nope", encode, decode);
        let error = nobody.oneshot(Request::new("Ada".to_owned())).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unimplemented);
    };
    // The connection ends when the client's channel is dropped.
    tokio::join!(serving, calling);
    let mut outcomes = ends.outcomes();
    outcomes.sort_by_key(|outcome| outcome.kind().is_some());
    assert_eq!(outcomes, [Outcome::Replied, Outcome::Failed(Kind::Unimplemented)]);
}

#[tokio::test]
async fn a_peer_that_resets_its_half_sent_call_is_cancelled() {
    let ends = Ends::default();
    let (ended, end) = tokio::sync::oneshot::channel();
    let ended = Arc::new(Mutex::new(Some(ended)));
    let server = Server::new(service_fn(hello), support::decode, support::encode);
    let service = GrpcLayer::new()
        .finally(ends.finally())
        .finally(move |_: &End| ended.lock().unwrap().take().unwrap().send(()).unwrap())
        .layer(Routes::new(GreeterServer::new(Greeter(server))));

    let (near, far) = tokio::io::duplex(64 * 1024);
    let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(far), TowerToHyperService::new(service));
    let calling = async {
        let (mut calls, connection) = hyper::client::conn::http2::handshake::<_, _, BoxBody>(
            TokioExecutor::new(),
            TokioIo::new(near),
        )
        .await
        .unwrap();
        let calling = async move {
            let half = bytes::Bytes::from_static(b"\0\0\0\0\x05\n\x03A");
            let half = Ok(Frame::data(half));
            let reset = std::io::Error::other("the client gives up");
            let frames = tokio_stream::iter([half, Err(reset)]);
            let call = support::call().map(|_| BoxBody::new(StreamBody::new(frames)));
            calls.send_request(call).await.unwrap_err();
            end.await.unwrap();
        };
        let (_, ()) = tokio::join!(connection, calling);
    };
    let (_, ()) = tokio::join!(serving, calling);
    assert_eq!(ends.one().outcome, Outcome::Cancelled);
}

#[tokio::test]
async fn where_nobody_listens_nothing_ran() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let channel = channel(&format!("grpc://{address}")).unwrap();
    let client = Client::new(channel, PATH, encode, decode);
    let error: CallError = client.oneshot(Request::new("Ada".to_owned())).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unavailable);
    assert!(error.refused());
}

#[tokio::test]
async fn an_address_says_what_it_should_be() {
    for address in ["", "greeter", "127.0.0.1:9120", "https://greeter", "grpc://a/b", "grpc://a?b"]
    {
        let error = channel(address).unwrap_err();
        assert!(error.to_string().contains("grpc://HOST:PORT"), "{address}");
    }
    for address in ["grpc://127.0.0.1:9120", "http://[::1]:9120", "grpc://greeter/"] {
        channel(address).unwrap();
    }
}
