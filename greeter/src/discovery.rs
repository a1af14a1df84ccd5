//! Where the greeter is found: one name for each protocol.

use crate::registry::{Backend, Protocol, Registry};
use kit_sd::{InvalidAddress, Keeper, NotDeregistered, Registration};
use tokio::sync::watch;

/// Keeps the greeter registered while it is `ready`: its HTTP port as
/// `service`, its gRPC port as `service-grpc`.
///
/// # Errors
///
/// Fails if the host is not the name or the address of one.
pub fn register<B: Backend>(
    registry: &Registry<B>,
    [http, grpc]: [u16; 2],
    ready: &watch::Receiver<bool>,
) -> Result<[Registration; 2], InvalidAddress> {
    let keep = |speaks, port| {
        let registrar = registry.registrar(speaks, port)?;
        Ok(Keeper::new(registrar).ready(ready.clone()).spawn())
    };
    Ok([keep(Protocol::Http, http)?, keep(Protocol::Grpc, grpc)?])
}

/// Takes both names out of the registry, at once.
///
/// # Errors
///
/// Fails if one stays there.
pub async fn deregister(kept: Option<[Registration; 2]>) -> Result<(), NotDeregistered> {
    let Some([http, grpc]) = kept else { return Ok(()) };
    let (http, grpc) = tokio::join!(http.deregister(), grpc.deregister());
    http.and(grpc)
}
