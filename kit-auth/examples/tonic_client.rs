//! A tonic client that says who it is: each call has its credentials.

use http::{HeaderValue, Request, header::AUTHORIZATION};
use tonic::{Status, service::interceptor::InterceptedService};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tower::{BoxError, ServiceBuilder};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    // A server in the same process; a `tonic::transport::Channel` does as well.
    let (_, health) = tonic_health::server::health_reporter();
    let server = InterceptedService::new(health, |request: tonic::Request<()>| {
        match request.metadata().get("authorization") {
            Some(token) if token == "Bearer t-1234" => Ok(request),
            _ => Err(Status::unauthenticated("say who you are")),
        }
    });

    let mut token = HeaderValue::from_static("Bearer t-1234");
    token.set_sensitive(true);
    let channel = ServiceBuilder::new()
        .map_request(move |mut request: Request<tonic::body::Body>| {
            request.headers_mut().insert(AUTHORIZATION, token.clone());
            request
        })
        .service(server);
    let reply = HealthClient::new(channel).check(HealthCheckRequest::default()).await?;

    assert_eq!(reply.into_inner().status(), ServingStatus::Serving);
    Ok(())
}

#[test]
fn shows_what_it_says() -> Result<(), BoxError> {
    main()
}
