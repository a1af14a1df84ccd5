//! Clients of the greeting.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

#[path = "memory/catalog.rs"]
mod catalog;

use bytes::Bytes;
use catalog::{Fake, entry, greeters};
use greeter::{
    client::{self, NotFound},
    endpoints::{Endpoints, Error, Greeting, Health, Hello},
    service, transport,
};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use kit_endpoint::{Fault, Kind, Request};
use kit_serve::{Listener, Peer};
use std::{
    future::{IntoFuture, pending},
    io,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{io::DuplexStream, sync::watch, time::Instant};
use tokio_stream::empty;
use tower::{ServiceExt, service_fn};

fn hello(name: &str) -> Request<Hello> {
    Request::new(Hello { name: name.to_owned() })
}

// ===== one greeter =====

#[test]
fn what_is_no_authority_is_refused() {
    for authority in ["", "a b", "a:1/x y", "[::1"] {
        assert!(client::http(network(0).0, authority).is_err(), "{authority:?} was taken");
    }
}

/// A listener with one connection, in memory.
struct One(Option<DuplexStream>);

impl Listener for One {
    type Io = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, Peer)> {
        match self.0.take() {
            Some(pipe) => Ok((pipe, Peer::Unix)),
            None => pending().await,
        }
    }
}

/// A channel to a greeter in memory, which greets by `greeting`.
fn channel(greeting: fn(&str) -> Result<String, service::Error>) -> tonic::transport::Channel {
    let (_, ready) = watch::channel(true);
    let endpoints = Endpoints {
        health: service_fn(|_: Request<()>| async { Ok::<_, Error>(Health { healthy: true }) }),
        greeting: service_fn(move |hello: Request<Hello>| async move {
            Ok::<_, Error>(Greeting { greeting: greeting(&hello.message().name)? })
        }),
        greetings: service_fn(|_: Request<Vec<String>>| async { Ok::<_, Error>(empty()) }),
        chat: service_fn(|_: Request<transport::grpc::Hellos>| async { Ok::<_, Error>(empty()) }),
    };
    let routes = transport::grpc::routes(endpoints, ready).unwrap();
    let (near, far) = tokio::io::duplex(4096);
    tokio::spawn(kit_serve::serve(One(Some(far)), routes).into_future());
    let near = Mutex::new(Some(near));
    let connect = service_fn(move |_: http::Uri| {
        let near = near.lock().unwrap().take();
        async move { near.map(TokioIo::new).ok_or(io::Error::from(io::ErrorKind::NotConnected)) }
    });
    tonic::transport::Endpoint::from_static("http://memory").connect_with_connector_lazy(connect)
}

#[tokio::test(start_paused = true)]
async fn over_http_a_greeting_comes_back() {
    let greets = client::http(network(0).0, "10.0.0.1:9110").unwrap();
    assert_eq!(greets.oneshot(hello("Ada")).await.unwrap().greeting, "from 9110");
}

#[tokio::test(start_paused = true)]
async fn over_grpc_a_greeting_comes_back_or_the_kind_of_failure() {
    let greets = client::grpc(channel(|name| Ok(format!("Hi, {name}"))));
    assert_eq!(greets.oneshot(hello("Ada")).await.unwrap().greeting, "Hi, Ada");
    let refuses = client::grpc(channel(|_| Err(service::Error::LongName)));
    let error = refuses.oneshot(hello("Ada")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidArgument);
    assert!(kit_transport::Report(&error).to_string().contains("too long"), "{error}");
}

// ===== wherever Consul says =====

async fn lost(fake: Fake) -> NotFound {
    let patience = Duration::from_secs(5);
    client::found(greeters(fake), network(0).0, patience).await.map(drop).unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn a_service_that_consul_does_not_know_is_told() {
    let begun = Instant::now();
    let said = lost(Fake(Ok(Vec::new()))).await.to_string();
    assert!(said.contains("knows no instance of hello"), "{said}");
    assert_eq!(begun.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_consul_that_is_down_is_told_with_its_reason() {
    let said = lost(Fake(Err("the line is cut"))).await.to_string();
    assert!(said.contains("cannot ask the registry for hello"), "{said}");
    assert!(said.contains("the line is cut"), "{said}");
}

/// Sends each request to the greeter of its port: those of `gone` are not
/// there, and the others say who they are. It takes down who was asked.
fn network(gone: u16) -> (impl client::Web, Arc<Mutex<Vec<u16>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    let web = service_fn(move |request: http::Request<Full<Bytes>>| {
        let port = request.uri().port_u16().unwrap();
        assert_eq!(request.uri().to_string(), format!("http://10.0.0.1:{port}/greeting?name=Ada"));
        seen.lock().unwrap().push(port);
        let greeting = Full::<Bytes>::from(format!(r#"{{"greeting":"from {port}"}}"#));
        let gone = port == gone;
        async move {
            let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
            if gone { Err(refused) } else { Ok(http::Response::new(greeting)) }
        }
    });
    (web, asked)
}

#[tokio::test(start_paused = true)]
async fn instances_are_asked_in_turn_and_one_that_is_gone_is_passed_over() {
    let entries =
        vec![entry("a", "10.0.0.1", 1), entry("b", "10.0.0.1", 2), entry("c", "10.0.0.1", 3)];
    let (web, asked) = network(2);
    let patience = Duration::from_secs(20);
    let endpoint = client::found(greeters(Fake(Ok(entries))), web, patience).await.unwrap();
    for _ in 0..6 {
        let said = endpoint.clone().oneshot(hello("Ada")).await.unwrap().greeting;
        assert!(["from 1", "from 3"].contains(&&*said), "{said}");
    }
    let asked = asked.lock().unwrap();
    let count = |port| asked.iter().filter(|asked| **asked == port).count();
    assert_eq!(count(1) + count(3), 6, "{asked:?}");
    for port in [1, 2, 3] {
        assert!(count(port) > 1, "{port} was not asked in turn: {asked:?}");
    }
}
