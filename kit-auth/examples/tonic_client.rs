//! A tonic client that says who it is: each call has its credentials.

use kit_auth::{
    AsGrpc,
    client::{CredentialLayer, bearer},
};
use tonic::{
    Status,
    service::{Routes, interceptor::InterceptedService},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tower::{BoxError, ServiceBuilder};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    // A server in the same process; a `tonic::transport::Channel` does as well.
    let (_, health) = tonic_health::server::health_reporter();
    let asks = |request: tonic::Request<()>| match request.metadata().get("authorization") {
        Some(token) if token == "Bearer t-1234" => Ok(request),
        _ => Err(Status::unauthenticated("say who you are")),
    };
    let server = Routes::new(InterceptedService::new(health, asks));

    // Where there is no token, the call fails as if the server had said so.
    let token = CredentialLayer::new(bearer("t-1234")?).refuse(AsGrpc);
    let channel = ServiceBuilder::new().layer(token).service(server);
    let reply = HealthClient::new(channel).check(HealthCheckRequest::default()).await?;

    assert_eq!(reply.into_inner().status(), ServingStatus::Serving);
    Ok(())
}

#[test]
fn shows_what_it_says() -> Result<(), BoxError> {
    main()
}
