//! The client, without and with a greeter of loopback.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use greeter::{
    call::{call, greet},
    client::{self, NotFound},
    endpoints::{Greeting, Hello},
    flags::{Call, Target},
};
use kit_endpoint::{Expired, Fault, Kind, Request};
use kit_sd::consul::{Client, Entry, Error, Health, Query, Service};
use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpListener, time::Instant};
use tower::{ServiceExt, service_fn};

#[derive(Debug, thiserror::Error)]
#[error("there is no greeting")]
struct Wrong;

impl Fault for Wrong {
    fn kind(&self) -> Kind {
        Kind::Unavailable
    }
}

fn hello(name: &str) -> Request<Hello> {
    Request::new(Hello { name: name.to_owned() })
}

/// An agent that knows these instances, or is down.
#[derive(Debug, Clone)]
struct Fake(Result<Vec<Entry>, &'static str>);

impl Client for Fake {
    async fn register(&self, _: &Service) -> Result<(), Error> {
        Ok(())
    }

    async fn deregister(&self, _: &str) -> Result<(), Error> {
        Ok(())
    }

    async fn is_registered(&self, _: &str) -> Result<bool, Error> {
        Ok(true)
    }

    async fn pass(&self, _: &str) -> Result<bool, Error> {
        Ok(true)
    }

    async fn health(&self, query: &Query) -> Result<Health, Error> {
        assert!(query.passing, "it wants instances that are unwell");
        assert_eq!(query.service, "hello");
        match &self.0 {
            // Nothing changes.
            Ok(_) if query.index > 0 => pending().await,
            Ok(entries) => {
                let mut health = Health::default();
                health.index = 1;
                health.entries.clone_from(entries);
                Ok(health)
            }
            Err(why) => Err(Error::Other((*why).into())),
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

#[tokio::test(start_paused = true)]
async fn the_greeting_is_what_the_endpoint_says() {
    let endpoint = service_fn(|hello: Request<Hello>| async move {
        Ok::<_, Wrong>(Greeting { greeting: format!("Hi, {}", hello.message().name) })
    });
    assert_eq!(greet(endpoint, hello("Ada")).await.unwrap(), "Hi, Ada");
}

#[tokio::test(start_paused = true)]
async fn what_the_endpoint_lacks_is_told() {
    let endpoint = service_fn(|_: Request<Hello>| async { Err::<Greeting, _>(Wrong) });
    let error = greet(endpoint, hello("Ada")).await.unwrap_err();
    assert!(error.is::<Wrong>(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_greeter_that_is_silent_is_given_up_at_the_deadline() {
    let begun = Instant::now();
    let endpoint = service_fn(|_: Request<Hello>| pending::<Result<Greeting, Wrong>>());
    let late = hello("Ada").within(begun + Duration::from_secs(2));
    let error = greet(endpoint, late).await.unwrap_err();
    assert!(error.is::<Expired>(), "{error}");
    assert_eq!(begun.elapsed().as_secs(), 2);
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

#[tokio::test]
async fn a_greeter_that_is_not_there_is_told() {
    let address = format!("127.0.0.1:{}", closed().await);
    for target in [Target::Http(address.clone()), Target::Grpc(address)] {
        let flags = Call { target, name: "Ada".to_owned(), timeout: Duration::from_secs(20) };
        call(flags).await.unwrap_err();
    }
}
