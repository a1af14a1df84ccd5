//! A limit for each method of a tonic server, of which some cost more.

#![allow(clippy::expect_used, reason = "it checks what it shows")]

use kit_endpoint::AsGrpc;
use kit_limit::rate::{KeyedRateLimit, Rate, RateLimitLayer};
use tonic::{body::Body, service::Routes};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tower::{BoxError, ServiceBuilder};

fn method(request: &http::Request<Body>) -> &str {
    request.uri().path()
}

fn cost(request: &http::Request<Body>) -> u32 {
    if method(request).ends_with("/Watch") { 5 } else { 1 }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let (_, health) = tonic_health::server::health_reporter();
    let limit = KeyedRateLimit::<str>::new("per-method", Rate::per_minute(6), 100);
    let layer = RateLimitLayer::by(limit, method).weight(cost).refuse(AsGrpc);
    let server = ServiceBuilder::new().layer(layer).service(Routes::new(health));

    // Called in process: a tonic client takes a server for a channel.
    let mut client = HealthClient::new(server);
    client.watch(HealthCheckRequest::default()).await?;
    let refused = client.watch(HealthCheckRequest::default()).await.expect_err("six a minute");
    assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
    let limit = refused.metadata().get("ratelimit").expect("it says when to come again");
    assert!(limit.to_str()?.starts_with("\"per-method\";r=1;t="), "{limit:?}");

    client.check(HealthCheckRequest::default()).await?;
    Ok(())
}

#[test]
fn shows_what_it_says() -> Result<(), BoxError> {
    main()
}
