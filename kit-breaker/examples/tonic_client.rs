//! A breaker on a tonic channel: an open circuit is a gRPC status.

#![allow(clippy::expect_used, reason = "it checks what it shows")]

use kit_breaker::{AsGrpc, BreakerLayer, GrpcStatus, Limits};
use tonic::transport::Channel;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tower::{BoxError, ServiceBuilder};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    // A port at which nobody listens any more.
    let gone = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let limits = Limits::default().failures(1);
    let breaker = BreakerLayer::new(limits).classify(GrpcStatus).refuse(AsGrpc).until_body_end();
    let channel = ServiceBuilder::new()
        .layer(breaker)
        .service(Channel::from_shared(format!("http://{gone}"))?.connect_lazy());

    let mut client = HealthClient::new(channel);
    let first = client.check(HealthCheckRequest::default()).await.expect_err("nobody is there");
    assert!(!first.message().contains("unavailable"), "{first:?}");
    let second = client.check(HealthCheckRequest::default()).await.expect_err("it is left alone");
    assert_eq!(
        (second.code(), second.message()),
        (tonic::Code::Unavailable, "service unavailable")
    );
    Ok(())
}

#[test]
fn shows_what_it_says() -> Result<(), BoxError> {
    main()
}
