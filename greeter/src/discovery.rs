//! Where the greeter is found: one name in Consul for each protocol.

use kit_sd::{
    Address, Instance, InvalidAddress, Keeper, NotDeregistered, Registration,
    consul::{Client, HttpCheck, Registrar},
};
use tokio::sync::watch;

/// Keeps the greeter registered while it is `ready`: its HTTP port as
/// `service`, its gRPC port as `service-grpc`, both checked by `GET /health`.
///
/// # Errors
///
/// Fails if `host` is not the name or the address of a host.
pub fn register(
    consul: &(impl Client + Clone),
    service: &str,
    host: &str,
    [http, grpc]: [u16; 2],
    ready: &watch::Receiver<bool>,
) -> Result<[Registration; 2], InvalidAddress> {
    let check = HttpCheck::new(format!("http://{}/health", Address::new(host, http)?));
    let keep = |service: String, port| {
        let instance = Instance::new(service, Address::new(host, port)?);
        let registrar = Registrar::new(consul.clone(), instance).check(check.clone());
        Ok(Keeper::new(registrar).ready(ready.clone()).spawn())
    };
    Ok([keep(service.to_owned(), http)?, keep(format!("{service}-grpc"), grpc)?])
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
