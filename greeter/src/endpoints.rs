//! The service as endpoints, each with the layers around it.

use crate::service::{self, Service};
use kit_breaker::{BreakerLayer, Circuit, Open};
use kit_endpoint::{
    CatchPanicLayer, DeadlineLayer, Details, Endpoint, Expired, Fault, Kind, Panicked, Request,
};
use kit_metrics::{Prometheus, RedLayer};
use std::time::Duration;
use tokio::sync::watch;
use tower::ServiceBuilder;

/// Asks for a greeting.
#[derive(Debug, Clone, Default, serde::Deserialize, serde::Serialize)]
pub struct Hello {
    /// Whom to greet.
    #[serde(default)]
    pub name: String,
}

/// A greeting.
#[derive(Debug, serde::Deserialize, serde::Serialize)]
pub struct Greeting {
    /// What it says.
    pub greeting: String,
}

/// Whether the service may be asked.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Health {
    /// Yes, unless it is unwell or going away.
    pub healthy: bool,
}

/// The greeter's endpoints: what every transport carries.
#[derive(Debug, Clone)]
pub struct Endpoints<H, G> {
    /// Whether the service may be asked.
    pub health: H,
    /// The greeting.
    pub greeting: G,
}

/// Why an endpoint has no reply: the domain's reasons, and one per layer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The service has none.
    #[error(transparent)]
    Service(#[from] service::Error),
    /// The circuit is open.
    #[error(transparent)]
    Open(#[from] Open),
    /// The deadline passed.
    #[error(transparent)]
    Expired(#[from] Expired),
    /// The service panicked.
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

/// Makes the endpoints of `service`, which is well while `ready` says so.
pub fn endpoints<S: Service + Clone + Send + Sync + 'static>(
    service: S,
    ready: watch::Receiver<bool>,
    circuit: Circuit,
    metrics: Prometheus,
) -> Endpoints<
    impl Endpoint<(), Response = Health, Error = Error>,
    impl Endpoint<Hello, Response = Greeting, Error = Error>,
> {
    let deadline = DeadlineLayer::of_request().default(Duration::from_secs(5));
    let well = service.clone();
    let health = ServiceBuilder::new().layer(deadline.clone()).service_fn(move |_: Request<()>| {
        let healthy = *ready.borrow() && well.health();
        async move { Ok(Health { healthy }) }
    });
    let greeting = ServiceBuilder::new()
        .layer(RedLayer::new(metrics, "endpoint", &[("endpoint", "greeting")]))
        .layer(deadline)
        .layer(BreakerLayer::shared(circuit))
        .layer(CatchPanicLayer::new())
        .service_fn(move |hello: Request<Hello>| {
            let greeting = service.greeting(&hello.message().name);
            async move { Ok(Greeting { greeting: greeting? }) }
        });
    Endpoints { health, greeting }
}

// ===== impl Error =====

impl Fault for service::Error {
    fn kind(&self) -> Kind {
        Kind::InvalidArgument
    }

    fn describe(&self, details: &mut Details) {
        details.violation("name", self.to_string());
    }
}

impl Fault for Error {
    fn inner(&self) -> Option<&dyn Fault> {
        Some(match self {
            Self::Service(fault) => fault,
            Self::Open(fact) => fact,
            Self::Expired(fact) => fact,
            Self::Panicked(fact) => fact,
        })
    }
}
