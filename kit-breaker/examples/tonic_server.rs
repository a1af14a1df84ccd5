//! A breaker around a tonic server: the status comes at the end of the reply.

#![allow(clippy::expect_used, reason = "it checks what it shows")]

use kit_breaker::{AsGrpc, BreakerLayer, GrpcStatus, Limits};
use tonic::{
    Request, Status,
    service::{Routes, interceptor::InterceptedService},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tower::{BoxError, ServiceBuilder};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let (_, health) = tonic_health::server::health_reporter();
    let down = |_: Request<()>| Err(Status::internal("disk on fire"));
    let limits = Limits::default().failures(1);
    let breaker = BreakerLayer::new(limits).classify(GrpcStatus).refuse(AsGrpc).until_body_end();
    let server = ServiceBuilder::new()
        .layer(breaker)
        .service(Routes::new(InterceptedService::new(health, down)));

    // Called in process: a tonic client takes a server for a channel.
    let mut client = HealthClient::new(server);
    let first = client.check(HealthCheckRequest::default()).await.expect_err("it fails");
    assert_eq!((first.code(), first.message()), (tonic::Code::Internal, "disk on fire"));
    let second = client.check(HealthCheckRequest::default()).await.expect_err("it is left alone");
    assert_eq!(second.code(), tonic::Code::Unavailable);
    Ok(())
}

#[test]
fn shows_what_it_says() -> Result<(), BoxError> {
    main()
}
