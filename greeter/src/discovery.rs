//! Where the greeter is found: one name in Consul for each protocol.

use kit_sd::{
    Address, Instance, InvalidAddress, Keeper, NotDeregistered, Registration,
    consul::{Client, HttpCheck, Registrar},
};
use tokio::sync::watch;

/// A registry, and what the greeter is there.
#[derive(Debug, Clone)]
pub struct Registry<C> {
    /// The agent.
    pub consul: C,
    /// The name of the HTTP port; the gRPC port has `-grpc` after it.
    pub service: String,
    /// The host under which others reach the greeter.
    pub host: String,
}

/// Keeps the greeter registered while it is `ready`: its HTTP port as
/// `service`, its gRPC port as `service-grpc`, both checked by `GET /health`.
///
/// # Errors
///
/// Fails if the host is not the name or the address of one.
pub fn register<C: Client + Clone>(
    Registry { consul, service, host }: &Registry<C>,
    [http, grpc]: [u16; 2],
    ready: &watch::Receiver<bool>,
) -> Result<[Registration; 2], InvalidAddress> {
    let check = HttpCheck::new(format!("http://{}/health", Address::new(host, http)?));
    let keep = |service: String, port| {
        let instance = Instance::new(service, Address::new(host, port)?);
        let registrar = Registrar::new(consul.clone(), instance).check(check.clone());
        Ok(Keeper::new(registrar).ready(ready.clone()).spawn())
    };
    Ok([keep(service.clone(), http)?, keep(format!("{service}-grpc"), grpc)?])
}

/// Takes both names out of Consul, at once.
///
/// # Errors
///
/// Fails if one stays there.
pub async fn deregister(kept: Option<[Registration; 2]>) -> Result<(), NotDeregistered> {
    let Some([http, grpc]) = kept else { return Ok(()) };
    let (http, grpc) = tokio::join!(http.deregister(), grpc.deregister());
    http.and(grpc)
}
