//! The greeter's client: `greeter call`.

use crate::{
    client,
    endpoints::{Greeting, Hello},
    flags::{Call, Target},
};
use kit_endpoint::{DeadlineLayer, Endpoint, Request};
use kit_sd::consul::Agent;
use std::time::Duration;
use tokio::time::Instant;
use tower::{BoxError, ServiceBuilder, ServiceExt};

const CONNECT: Duration = Duration::from_secs(5);

/// Asks a greeter for a greeting.
///
/// # Errors
///
/// Fails if it is not found, is not reached, refuses, or takes too long.
pub async fn call(flags: Call) -> Result<String, BoxError> {
    let Call { target, name, timeout } = flags;
    let deadline = Instant::now().checked_add(timeout);
    let hello = Request::new(Hello { name });
    let hello = deadline.into_iter().fold(hello, Request::within);
    match target {
        Target::Http(authority) => {
            let pool = kit_transport_http::pool(CONNECT);
            greet(client::http(pool, &authority)?, hello).await
        }
        Target::Grpc(authority) => {
            let channel = kit_transport_grpc::channel(&format!("grpc://{authority}"))?;
            greet(client::grpc(channel), hello).await
        }
        Target::Consul { addr, service } => {
            let agent = Agent::new(&addr)?;
            greet(client::found(agent, &service, timeout).await?, hello).await
        }
    }
}

/// Asks `endpoint`, and gives up at the request's deadline.
///
/// # Errors
///
/// Fails if it does, or takes too long.
pub async fn greet<E>(endpoint: E, hello: Request<Hello>) -> Result<String, BoxError>
where
    E: Endpoint<Hello, Response = Greeting>,
{
    let endpoint = ServiceBuilder::new()
        .layer(DeadlineLayer::of_request())
        .map_err(BoxError::from)
        .service(endpoint);
    Ok(endpoint.oneshot(hello).await?.greeting)
}
