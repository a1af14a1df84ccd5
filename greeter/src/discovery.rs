//! Where the greeter is found: one name in Consul for each protocol.

use crate::{
    endpoints::{Greeting, Hello},
    transport::http,
};
use kit_endpoint::Endpoint;
use kit_sd::{
    Address, Endpoints, Instance, InvalidAddress, Keeper, Registration, Retry, RoundRobin, Watch,
    consul::{Agent, HttpCheck, Instancer, Registrar},
    retry::Idempotent,
};
use std::{error::Error, fmt, time::Duration};
use tokio::{sync::watch, time::timeout};

const ATTEMPTS: u32 = 3;
const CONNECT: Duration = Duration::from_secs(1);

/// No instance of the service was found.
#[derive(Debug)]
pub struct NotFound {
    service: String,
    error: Option<String>,
}

/// Keeps the greeter registered while it is `ready`: its HTTP port as
/// `service`, its gRPC port as `service-grpc`, both checked by `GET /health`.
///
/// # Errors
///
/// Fails if `host` is not the name or the address of a host.
pub fn register(
    agent: &Agent,
    service: &str,
    host: &str,
    (http, grpc): (u16, u16),
    ready: &watch::Receiver<bool>,
) -> Result<[Registration; 2], InvalidAddress> {
    let check = HttpCheck::new(format!("http://{}/health", Address::new(host, http)?));
    let keep = |service: String, port| {
        let instance = Instance::new(&*service, Address::new(host, port)?)
            .id(format!("{service}-{host}-{port}"));
        let registrar = Registrar::new(agent.clone(), instance).check(check.clone());
        Ok(Keeper::new(registrar).ready(ready.clone()).spawn())
    };
    Ok([keep(service.to_owned(), http)?, keep(format!("{service}-grpc"), grpc)?])
}

/// Returns the greeting of whichever instance of `service` is well: found in
/// Consul, asked in turn, and another one if one fails.
///
/// # Errors
///
/// Fails if there is none within `patience`.
pub async fn client(
    agent: Agent,
    service: &str,
    patience: Duration,
) -> Result<impl Endpoint<Hello, Response = Greeting, Error: Send> + use<>, NotFound> {
    let watch = Watch::spawn(Instancer::new(agent, service).passing(true));
    let mut instances = watch.instances();
    let found = instances.wait_for(|seen| !seen.instances.is_empty());
    let found = timeout(patience, found).await.ok().flatten().ok_or_else(|| NotFound {
        service: service.to_owned(),
        error: watch.instances().snapshot().state.error().map(str::to_owned),
    })?;
    let pool = kit_transport_http::pool(CONNECT);
    let members = found.instances.iter().filter_map(|instance| {
        let client = http::client(pool.clone(), &instance.address.to_string()).ok()?;
        Some(((**instance).clone(), client))
    });
    let balancer = RoundRobin::new(Endpoints::fixed(members));
    Ok(Retry::new(balancer, ATTEMPTS, patience).retryable(Idempotent))
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.error {
            Some(error) => write!(f, "cannot ask Consul for {}: {error}", self.service),
            None => write!(f, "Consul knows no instance of {} that is well", self.service),
        }
    }
}

impl Error for NotFound {}
