//! `greeter call`.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use axum::Router;
use bytes::Bytes;
use greeter::{
    call::{OtherPort, greet, over_grpc, over_http},
    client::Web,
    endpoints::{Greeting, Hello},
};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use kit_endpoint::{Expired, Fault, Kind, Request};
use kit_serve::{Listener, Peer};
use kit_transport::Report;
use std::{
    future::{IntoFuture, pending},
    io,
    time::Duration,
};
use tokio::{io::DuplexStream, time::Instant};
use tonic::transport::Channel;
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

// ===== over a transport =====

/// What sends requests over HTTP, and is answered so.
fn web(reply: Result<http::Response<&'static str>, io::ErrorKind>) -> impl Web {
    service_fn(move |_: http::Request<Full<Bytes>>| {
        let reply =
            reply.clone().map(|reply| reply.map(Full::<Bytes>::from)).map_err(io::Error::from);
        async { reply }
    })
}

/// A channel to `router`, or to nobody.
fn channel(router: Option<Router>) -> Channel {
    let connect = service_fn(move |_: http::Uri| {
        let stream = router.clone().map(|router| {
            let (near, far) = tokio::io::duplex(4096);
            tokio::spawn(kit_serve::serve(One(Some(far)), router).into_future());
            TokioIo::new(near)
        });
        async { stream.ok_or(io::Error::from(io::ErrorKind::ConnectionRefused)) }
    });
    tonic::transport::Endpoint::from_static("http://memory").connect_with_connector_lazy(connect)
}

/// A listener with one connection.
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

#[tokio::test(start_paused = true)]
async fn a_greeter_that_is_not_there_is_told() {
    let gone = web(Err(io::ErrorKind::ConnectionRefused));
    let over_http = over_http(gone, "memory:1", hello("Ada")).await.unwrap_err();
    let over_grpc = over_grpc(channel(None), "memory:1", hello("Ada")).await.unwrap_err();
    for error in [over_http, over_grpc] {
        let said = Report(&*error).to_string();
        assert!(said.starts_with("cannot reach the serv"), "{said}");
        assert!(said.ends_with("connection refused"), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_over_http_that_is_no_greeting_is_likely_the_grpc_port() {
    let reply = |status: u16, content_type| {
        http::Response::builder().status(status).header("content-type", content_type).body("")
    };
    for reply in [
        // What bare tonic answers to a GET, and what our gRPC port does.
        reply(200, "application/grpc"),
        reply(405, "text/plain"),
        reply(415, "text/plain"),
        reply(404, "application/problem+json"),
    ] {
        let reply = Ok(reply.unwrap());
        let error = over_http(web(reply), "memory:1", hello("Ada")).await.unwrap_err();
        let said = Report(&*error).to_string();
        let advice = "memory:1 does not greet over HTTP: \
                      if it is the gRPC port, write grpc://memory:1: ";
        assert!(said.starts_with(advice), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_over_grpc_that_is_no_grpc_is_likely_the_http_port() {
    let router = channel(Some(Router::new()));
    let error = over_grpc(router, "memory:1", hello("Ada")).await.unwrap_err();
    let said = Report(&*error).to_string();
    let advice = "memory:1 does not greet over gRPC: \
                  if it is the HTTP port, write http://memory:1: ";
    assert!(said.starts_with(advice), "{said}");
}

#[tokio::test(start_paused = true)]
async fn what_the_greeter_refuses_is_told_without_advice_on_ports() {
    for status in [400, 503] {
        let problem = http::Response::builder()
            .status(status)
            .header("content-type", "application/problem+json")
            .body(r#"{"detail":"say whom to greet"}"#)
            .unwrap();
        let error = over_http(web(Ok(problem)), "memory:1", hello("")).await.unwrap_err();
        let said = Report(&*error).to_string();
        assert!(said.ends_with(": say whom to greet"), "{said}");
        assert!(!error.is::<OtherPort>(), "{error}");
    }
}
