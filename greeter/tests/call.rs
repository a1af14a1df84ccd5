//! `greeter call`.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use greeter::{
    call::{call, greet},
    endpoints::{Greeting, Hello},
    flags::{Call, Target},
};
use kit_endpoint::{Expired, Fault, Kind, Request};
use std::{future::pending, time::Duration};
use tokio::{net::TcpListener, time::Instant};
use tower::service_fn;

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

/// A port at which nothing listens.
async fn closed() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn a_greeter_that_is_not_there_is_told() {
    let address = format!("127.0.0.1:{}", closed().await);
    for target in [Target::Http(address.clone()), Target::Grpc(address)] {
        let flags = Call { target, name: "Ada".to_owned(), timeout: Duration::from_secs(20) };
        call(flags).await.unwrap_err();
    }
}
