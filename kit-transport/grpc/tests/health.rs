//! Health from readiness.

#![cfg(feature = "health")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_endpoint::{Fault, Kind, Request};
use kit_transport_grpc::{
    CallError, Client, Health,
    health::{HealthServer, MAX_LISTED},
};
use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
};
use tokio::sync::watch;
use tokio_stream::StreamExt;
use tokio_test::{assert_pending, assert_ready, task};
use tonic::{Code, Streaming};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
    health_client::HealthClient,
};
use tower::ServiceExt;

const GREETER: &str = "greeter.v1.Greeter";

/// `HealthListResponse`: tonic's health check has no `List` to try ours with.
#[derive(Clone, PartialEq, prost::Message)]
struct Listed {
    #[prost(map = "string, message", tag = "1")]
    statuses: HashMap<String, HealthCheckResponse>,
}

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

type States = BTreeMap<String, ServingStatus>;

async fn list(server: HealthServer<Health>) -> Result<States, CallError> {
    let encode = |()| Ok::<_, Infallible>(());
    let decode = |listed: Listed| {
        let states = listed.statuses.into_iter().map(|(name, state)| (name, state.status()));
        Ok::<_, Infallible>(states.collect())
    };
    let list = Client::new(server, "/grpc.health.v1.Health/List", encode, decode);
    list.oneshot(Request::new(())).await
}

fn states<const N: usize>(states: [(&str, ServingStatus); N]) -> States {
    states.map(|(name, state)| (name.to_owned(), state)).into()
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

#[tokio::test]
async fn list_tells_the_whole_and_every_name() {
    use ServingStatus::{NotServing, Serving};

    let (ready, whole) = watch::channel(false);
    let (greeter, service) = watch::channel(true);
    let server = Health::new(whole.clone()).services(["pb.Greeter"]).service(GREETER, service);
    let server = server.into_server();
    assert_eq!(
        list(server.clone()).await.unwrap(),
        states([("", NotServing), ("pb.Greeter", NotServing), (GREETER, Serving)])
    );
    ready.send_replace(true);
    greeter.send_replace(false);
    assert_eq!(
        list(server).await.unwrap(),
        states([("", Serving), ("pb.Greeter", Serving), (GREETER, NotServing)])
    );
    let alone = Health::new(whole).into_server();
    assert_eq!(list(alone).await.unwrap(), states([("", Serving)]));
}

#[tokio::test]
async fn a_list_of_more_than_a_hundred_is_refused() {
    let (_ready, whole) = watch::channel(true);
    let names = |count: usize| (1..count).map(|number| format!("service{number}"));
    let most = Health::new(whole.clone()).services(names(MAX_LISTED));
    assert_eq!(list(most.into_server()).await.unwrap().len(), 100);

    let more = Health::new(whole).services(names(MAX_LISTED + 1));
    let error = list(more.into_server()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::ResourceExhausted);
    assert!(kit_transport::Report(&error).to_string().contains("by its name"), "{error}");
}

#[tokio::test]
async fn a_service_of_the_empty_name_is_the_whole() {
    use ServingStatus::Serving;

    let (_ready, first) = watch::channel(false);
    let (_last, last) = watch::channel(true);
    let server = Health::new(first).service("", last).into_server();
    assert_eq!(list(server.clone()).await.unwrap(), states([("", Serving)]));
    let reply = HealthClient::new(server).check(of("")).await.unwrap();
    assert_eq!(reply.into_inner().status(), Serving);
}
