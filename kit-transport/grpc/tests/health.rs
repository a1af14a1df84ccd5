//! Health from readiness.

#![cfg(feature = "health")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_transport_grpc::{Health, health::HealthServer};
use tokio::sync::watch;
use tokio_stream::StreamExt;
use tokio_test::{assert_pending, assert_ready, task};
use tonic::{Code, Streaming};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
    health_client::HealthClient,
};

const GREETER: &str = "greeter.v1.Greeter";

struct Fixture {
    ready: watch::Sender<bool>,
    greeter: watch::Sender<bool>,
    client: HealthClient<HealthServer<Health>>,
}

fn fixture() -> Fixture {
    let (ready, whole) = watch::channel(false);
    let (greeter, service) = watch::channel(true);
    let server = Health::new(whole).service(GREETER, service).into_server();
    Fixture { ready, greeter, client: HealthClient::new(server) }
}

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

async fn next(stream: &mut Streaming<HealthCheckResponse>) -> ServingStatus {
    stream.next().await.unwrap().unwrap().status()
}

#[tokio::test]
async fn check_tells_readiness_by_name() {
    let mut fixture = fixture();
    let client = &mut fixture.client;
    let status = |reply: tonic::Response<HealthCheckResponse>| reply.into_inner().status();
    assert_eq!(status(client.check(of("")).await.unwrap()), ServingStatus::NotServing);
    assert_eq!(status(client.check(of(GREETER)).await.unwrap()), ServingStatus::Serving);
    fixture.ready.send_replace(true);
    fixture.greeter.send_replace(false);
    assert_eq!(status(client.check(of("")).await.unwrap()), ServingStatus::Serving);
    assert_eq!(status(client.check(of(GREETER)).await.unwrap()), ServingStatus::NotServing);
}

#[tokio::test]
async fn check_of_a_name_that_is_not_there_is_not_found() {
    let status = fixture().client.check(of("nobody")).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
}

#[tokio::test]
async fn watch_sends_the_state_and_each_change() {
    let mut fixture = fixture();
    let mut stream = fixture.client.watch(of("")).await.unwrap().into_inner();
    assert_eq!(next(&mut stream).await, ServingStatus::NotServing);
    // The same again is no change.
    fixture.ready.send_replace(false);
    {
        let mut waiting = task::spawn(stream.next());
        assert_pending!(waiting.poll());
        fixture.ready.send_replace(true);
        let pushed = assert_ready!(waiting.poll()).unwrap().unwrap();
        assert_eq!(pushed.status(), ServingStatus::Serving);
    }
    fixture.ready.send_replace(false);
    assert_eq!(next(&mut stream).await, ServingStatus::NotServing);
}

#[tokio::test]
async fn watch_of_a_name_that_is_not_there_stays_open() {
    let mut fixture = fixture();
    let mut stream = fixture.client.watch(of("nobody")).await.unwrap().into_inner();
    assert_eq!(next(&mut stream).await, ServingStatus::ServiceUnknown);
    let mut waiting = task::spawn(stream.next());
    assert_pending!(waiting.poll());
    fixture.ready.send_replace(true);
    assert_pending!(waiting.poll());
}

#[tokio::test]
async fn a_watch_ends_with_the_process() {
    for name in ["", "nobody"] {
        let mut fixture = fixture();
        let mut stream = fixture.client.watch(of(name)).await.unwrap().into_inner();
        next(&mut stream).await;
        drop(fixture.ready);
        assert!(stream.next().await.is_none());
    }
}
