//! The registries that the flags may name, and what the greeter is there.
//!
//! A service has one of them, and none of this choice: its own would be the
//! two lines of [`Backend::registrar`].

use crate::flags::ReadyWhen;
use kit_sd::{
    Address, Instance, InvalidAddress, Registrar, Registration, RegistrationStatus,
    consul::{self, Client, GrpcCheck, HttpCheck, TtlCheck},
};
use std::time::Duration;
use tokio::{sync::watch, try_join};

/// How long Consul believes that the greeter is well.
const TTL: Duration = Duration::from_secs(15);

/// A registry, and what the greeter is there.
#[derive(Debug, Clone)]
pub struct Registry<B> {
    /// What registers.
    pub at: B,
    /// The name of the HTTP port; the gRPC port has `-grpc` after it.
    pub service: String,
    /// The host under which others reach the greeter.
    pub host: String,
    /// Words to choose it by.
    pub tags: Vec<String>,
    /// Facts by name.
    pub metadata: Vec<(String, String)>,
    /// Whether the greeter speaks TLS.
    pub tls: bool,
}

/// A protocol of the greeter's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP, with `GET /health`.
    Http,
    /// gRPC, with its health service.
    Grpc,
}

/// What registers an instance that speaks a protocol.
pub trait Backend {
    /// What keeps it registered calls this.
    type Registrar: Registrar;

    /// Returns what registers `instance`, which the registry may ask how it is
    /// in the protocol that it `speaks` in plain text; else it says so itself.
    fn registrar(&self, instance: Instance, speaks: Option<Protocol>) -> Self::Registrar;
}

/// Consul, which asks each port how it is, in its own protocol; over TLS it
/// would need to trust its authority, and to be trusted.
#[derive(Debug, Clone)]
pub struct Consul<C>(pub C);

/// etcd, where an instance is as long as it renews its lease.
#[cfg(feature = "etcd")]
#[derive(Debug, Clone)]
pub struct Etcd(pub kit_sd::etcd::Etcd);

// ===== impl Registry =====

impl<B> Registry<B> {
    /// Returns the same in another registry.
    pub fn at<A>(self, at: A) -> Registry<A> {
        let Self { service, host, tags, metadata, tls, .. } = self;
        Registry { at, service, host, tags, metadata, tls }
    }
}

impl<B: Backend> Registry<B> {
    /// Returns what registers the port of a protocol under its name.
    ///
    /// # Errors
    ///
    /// Fails if the host is not the name or the address of one.
    pub fn registrar(&self, speaks: Protocol, port: u16) -> Result<B::Registrar, InvalidAddress> {
        let service = match speaks {
            Protocol::Http => self.service.clone(),
            Protocol::Grpc => format!("{}-grpc", self.service),
        };
        let instance = Instance::new(service, Address::new(&self.host, port)?);
        let mut instance = instance.version(env!("CARGO_PKG_VERSION"));
        instance.tags.clone_from(&self.tags);
        instance.metadata = self.metadata.iter().cloned().collect();
        Ok(self.at.registrar(instance, Some(speaks).filter(|_| !self.tls)))
    }
}

// ===== impl Backend =====

impl<C: Client + Clone> Backend for Consul<C> {
    type Registrar = consul::Registrar<C>;

    fn registrar(&self, instance: Instance, speaks: Option<Protocol>) -> Self::Registrar {
        let address = instance.address.to_string();
        let registrar = consul::Registrar::new(self.0.clone(), instance);
        match speaks {
            Some(Protocol::Http) => {
                registrar.check(HttpCheck::new(format!("http://{address}/health")))
            }
            Some(Protocol::Grpc) => registrar.check(GrpcCheck::new(address)),
            None => registrar.check(TtlCheck::new(TTL)),
        }
    }
}

#[cfg(feature = "etcd")]
impl Backend for Etcd {
    type Registrar = kit_sd::etcd::Registrar;

    fn registrar(&self, instance: Instance, _: Option<Protocol>) -> Self::Registrar {
        kit_sd::etcd::Registrar::new(self.0.clone(), instance)
    }
}

// ===== readiness =====

/// Returns what is shown of readiness, and what goes on for that: with
/// [`ReadyWhen::Registered`] the greeter is shown as ready once it is `ready`
/// and both names have been registered, whatever becomes of the registry then.
pub fn shown(
    when: ReadyWhen,
    ready: &watch::Receiver<bool>,
    names: Option<&[Registration; 2]>,
) -> (watch::Receiver<bool>, impl Future<Output = ()> + Send + use<>) {
    let names = names.filter(|_| when == ReadyWhen::Registered);
    let names = names.map(|names| names.each_ref().map(Registration::status));
    let (sender, shown) = watch::channel(false);
    let shown = if names.is_some() { shown } else { ready.clone() };
    let ready = ready.clone();
    let settled = async move {
        if let Some(names) = names {
            show(ready, names, sender).await;
        }
    };
    (shown, settled)
}

async fn show(
    mut ready: watch::Receiver<bool>,
    [mut http, mut grpc]: [RegistrationStatus; 2],
    shown: watch::Sender<bool>,
) {
    let both = try_join!(
        async { http.wait_for(|status| status.registrations > 0).await.ok_or(()) },
        async { grpc.wait_for(|status| status.registrations > 0).await.ok_or(()) },
    );
    if both.is_err() {
        return;
    }
    loop {
        shown.send_replace(*ready.borrow_and_update());
        if ready.changed().await.is_err() {
            return;
        }
    }
}
