//! Clients of the greeting.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use greeter::{
    client::{self, NotFound},
    endpoints::{Endpoints, Error, Greeting, Health, Hello},
    service, transport,
};
use hyper_util::rt::TokioIo;
use kit_endpoint::{Fault, Kind, Request};
use kit_sd::consul::{Client, Entry, Error as Failure, Health as Seen, Query, Service};
use kit_serve::{Listener, Peer};
use std::{
    future::{IntoFuture, pending},
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{io::DuplexStream, net::TcpListener, sync::watch, time::Instant};
use tower::{ServiceExt, service_fn};

fn hello(name: &str) -> Request<Hello> {
    Request::new(Hello { name: name.to_owned() })
}

// ===== one greeter =====

#[test]
fn what_is_no_authority_is_refused() {
    let pool = kit_transport_http::pool(Duration::from_secs(1));
    for authority in ["", "a b", "a:1/x y", "[::1"] {
        assert!(client::http(pool.clone(), authority).is_err(), "{authority:?} was taken");
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

#[tokio::test]
async fn over_grpc_a_greeting_comes_back_or_the_kind_of_failure() {
    let greets = client::grpc(channel(|name| Ok(format!("Hi, {name}"))));
    assert_eq!(greets.oneshot(hello("Ada")).await.unwrap().greeting, "Hi, Ada");
    let refuses = client::grpc(channel(|_| Err(service::Error::LongName)));
    let error = refuses.oneshot(hello("Ada")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidArgument);
    assert!(error.to_string().contains("too long"), "{error}");
}

// ===== wherever Consul says =====

/// An agent that knows these instances, or is down.
#[derive(Debug, Clone)]
struct Fake(Result<Vec<Entry>, &'static str>);

impl Client for Fake {
    async fn register(&self, _: &Service) -> Result<(), Failure> {
        Ok(())
    }

    async fn deregister(&self, _: &str) -> Result<(), Failure> {
        Ok(())
    }

    async fn is_registered(&self, _: &str) -> Result<bool, Failure> {
        Ok(true)
    }

    async fn pass(&self, _: &str) -> Result<bool, Failure> {
        Ok(true)
    }

    async fn health(&self, query: &Query) -> Result<Seen, Failure> {
        assert!(query.passing, "it wants instances that are unwell");
        assert_eq!(query.service, "hello");
        match &self.0 {
            // Nothing changes.
            Ok(_) if query.index > 0 => pending().await,
            Ok(entries) => {
                let mut health = Seen::default();
                health.index = 1;
                health.entries.clone_from(entries);
                Ok(health)
            }
            Err(why) => Err(Failure::Other((*why).into())),
        }
    }
}

fn entry(id: &str, port: u16) -> Entry {
    let mut entry = Entry::default();
    entry.id = id.into();
    entry.address = "127.0.0.1".into();
    entry.port = port;
    entry
}

async fn lost(fake: Fake) -> NotFound {
    client::found(fake, "hello", Duration::from_secs(5)).await.map(drop).unwrap_err()
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
    assert!(said.contains("cannot ask Consul for hello"), "{said}");
    assert!(said.contains("the line is cut"), "{said}");
}

/// A greeter of loopback; it is asked once, and says who it is.
async fn listening() -> (u16, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(AtomicBool::new(false));
    let seen = asked.clone();
    let router = axum::Router::new().route(
        "/greeting",
        axum::routing::get(move || async move {
            seen.store(true, Ordering::Relaxed);
            format!(r#"{{"greeting":"from {port}"}}"#)
        }),
    );
    let json = tower::ServiceBuilder::new()
        .map_response(|mut response: axum::response::Response| {
            let json = http::HeaderValue::from_static("application/json");
            response.headers_mut().insert(http::header::CONTENT_TYPE, json);
            response
        })
        .service(router);
    tokio::spawn(kit_serve::serve(listener, json).into_future());
    (port, asked)
}

/// A port at which nothing listens.
async fn closed() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn instances_are_asked_in_turn_and_one_that_is_gone_is_passed_over() {
    let (first, first_asked) = listening().await;
    let (second, second_asked) = listening().await;
    let gone = closed().await;
    let entries = vec![entry("a", first), entry("b", gone), entry("c", second)];
    let endpoint =
        client::found(Fake(Ok(entries)), "hello", Duration::from_secs(20)).await.unwrap();
    for _ in 0..6 {
        let said = endpoint.clone().oneshot(hello("Ada")).await.unwrap().greeting;
        assert!(said.starts_with("from "), "{said}");
    }
    assert!(first_asked.load(Ordering::Relaxed), "the first was never asked");
    assert!(second_asked.load(Ordering::Relaxed), "the second was never asked");
}
