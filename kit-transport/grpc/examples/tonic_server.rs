//! Hooks and deadlines around a tonic server that knows nothing of them.

#![allow(clippy::expect_used, reason = "it checks what it shows")]

use kit_transport_grpc::GrpcLayer;
use tonic::{
    Code, Request, Status,
    service::{Routes, interceptor::InterceptedService},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tower::{BoxError, ServiceBuilder};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let (_, health) = tonic_health::server::health_reporter();
    let known = |request: Request<()>| match request.metadata().get("who") {
        Some(_) => Ok(request),
        None => Err(Status::unauthenticated("say who you are")),
    };
    let server = ServiceBuilder::new()
        .layer(
            GrpcLayer::new()
                .after(|headers| drop(headers.insert("x-served-by", "kit".parse().expect("text"))))
                .finally(|end| assert_eq!(end.outcome.to_string(), "UNAUTHENTICATED")),
        )
        .service(Routes::new(InterceptedService::new(health, known)));

    // Called in process: a tonic client takes a server for a channel.
    let mut client = HealthClient::new(server);
    let status = client.check(HealthCheckRequest::default()).await.expect_err("it is nobody");
    assert_eq!((status.code(), status.message()), (Code::Unauthenticated, "say who you are"));
    assert_eq!(status.metadata().get("x-served-by").expect("it is there"), "kit");
    Ok(())
}

#[test]
fn shows_what_it_says() -> Result<(), BoxError> {
    main()
}
