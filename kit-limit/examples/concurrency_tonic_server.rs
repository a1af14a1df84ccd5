//! A concurrency limit around a tonic server, with a share for each method: a
//! flood of watchers leaves room for checks. A call is in flight until its last
//! message.

#![allow(clippy::expect_used, reason = "it checks what it shows")]

use kit_endpoint::{AsGrpc, GrpcStatus};
use kit_limit::concurrency::{ConcurrencyLimitLayer, Fixed, Limiter, Partitions};
use tonic::{Code, body::Body, service::Routes};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tower::{BoxError, ServiceBuilder};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let partitions = Partitions::new([("check", 0.5), ("watch", 0.5)])?;
    let limiter = Limiter::partitioned("health", Fixed::new(2), partitions);
    let by_method = |request: &http::Request<Body>| match request.uri().path() {
        "/grpc.health.v1.Health/Check" => "check",
        "/grpc.health.v1.Health/Watch" => "watch",
        _ => "rest",
    };
    let limit = ConcurrencyLimitLayer::shared(limiter.clone())
        .by_partition(by_method)
        .classify(GrpcStatus)
        .refuse(AsGrpc)
        .until_body_end();
    let (_, health) = tonic_health::server::health_reporter();
    let server = ServiceBuilder::new().layer(limit).service(Routes::new(health));

    // Called in process: a tonic client takes a server for a channel.
    let mut client = HealthClient::new(server);
    let first = client.watch(HealthCheckRequest::default()).await?;
    let second = client.watch(HealthCheckRequest::default()).await?;
    let third = client.watch(HealthCheckRequest::default()).await.expect_err("all is taken");
    assert_eq!(third.code(), Code::Unavailable);
    client.check(HealthCheckRequest::default()).await?;
    assert_eq!(limiter.in_flight_of("watch"), Some(2));
    drop((first, second));
    assert_eq!(limiter.in_flight(), 0);
    Ok(())
}

#[test]
fn shows_what_it_says() -> Result<(), BoxError> {
    main()
}
