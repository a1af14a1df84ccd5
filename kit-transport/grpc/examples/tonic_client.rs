//! A method of a tonic server as an endpoint, with a typed failure.

#![allow(clippy::expect_used, reason = "it checks what it shows")]

use kit_endpoint::{Fault, Kind, Request};
use kit_transport_grpc::Client;
use std::{convert::Infallible, time::Duration};
use tokio::time::Instant;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower::{BoxError, ServiceExt};

fn encode(service: &str) -> Result<HealthCheckRequest, Infallible> {
    Ok(HealthCheckRequest { service: service.to_owned() })
}

fn decode(reply: HealthCheckResponse) -> Result<&'static str, Infallible> {
    Ok(reply.status().as_str_name())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    // A server in the same process; a `tonic::transport::Channel` does as well.
    let (_, health) = tonic_health::server::health_reporter();
    let client = Client::new(health, "/grpc.health.v1.Health/Check", encode, decode);

    let deadline = Instant::now() + Duration::from_secs(1);
    let status = client.clone().oneshot(Request::new("").within(deadline)).await?;
    assert_eq!(status, "SERVING");

    let error = client.oneshot(Request::new("nobody")).await.expect_err("it is not there");
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(!error.kind().is_server(), "no reason to open a circuit");
    Ok(())
}

#[test]
fn shows_what_it_says() -> Result<(), BoxError> {
    main()
}
