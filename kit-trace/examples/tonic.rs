//! Spans around a tonic server and a tonic client: the server's is below the client's.

use kit_trace::{ClientSpanLayer, ServerSpanLayer};
use std::sync::{Arc, Mutex};
use tonic::{body::Body, service::Routes};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tower::{BoxError, ServiceBuilder};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    // A program installs a subscriber that shows or exports them.
    let _listening = tracing::subscriber::set_default(tracing_subscriber::registry());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let (_, health) = tonic_health::server::health_reporter();
    let server = ServiceBuilder::new()
        .map_request(move |request: http::Request<Body>| {
            let parent = request.headers().get("traceparent").cloned();
            told.lock().into_iter().for_each(|mut seen| seen.push(parent.clone()));
            request
        })
        .layer(ServerSpanLayer::new())
        .service(Routes::new(health));

    // Called in process: a tonic client takes a server for a channel.
    let channel = ServiceBuilder::new().layer(ClientSpanLayer::new()).service(server);
    let mut client = HealthClient::new(channel);
    client.check(HealthCheckRequest::default()).await?;
    let seen = seen.lock().map_err(|_| "a handler panicked")?;
    let parent = seen[0].as_ref().ok_or("the client says whose child the server's span is")?;
    assert!(parent.to_str()?.starts_with("00-"));
    Ok(())
}

#[test]
fn shows_what_it_says() -> Result<(), BoxError> {
    main()
}
