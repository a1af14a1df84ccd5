use super::{Check, Client, Error, Service};
use crate::Instance;
use std::time::Duration;

/// Registers an instance with an agent, which checks it.
///
/// The check passes from the start, so that the instance is found at once:
/// register what is ready. A [`Keeper`](crate::Keeper) calls this.
#[derive(Debug)]
pub struct Registrar<C> {
    client: C,
    service: Service,
}

/// How often the agent is asked whether it still knows an instance that sends
/// no heartbeats.
const PERIOD: Duration = Duration::from_secs(10);

// ===== impl Registrar =====

impl<C: Client> Registrar<C> {
    /// Registers `instance`, without a check.
    pub const fn new(client: C, instance: Instance) -> Self {
        Self { client, service: Service { instance, check: None } }
    }

    /// Sets how Consul finds out whether the instance lives.
    #[must_use]
    pub fn check(mut self, check: impl Into<Check>) -> Self {
        self.service.check = Some(check.into());
        self
    }
}

impl<C: Client> crate::Registrar for Registrar<C> {
    type Error = Error;

    fn instance(&self) -> &Instance {
        &self.service.instance
    }

    async fn register(&self) -> Result<(), Error> {
        self.client.register(&self.service).await
    }

    /// Sends the heartbeat of a TTL check, else asks for the instance.
    async fn renew(&self) -> Result<bool, Error> {
        let id = &self.service.instance.id;
        match self.service.check {
            Some(Check::Ttl(_)) => self.client.pass(&Check::id(id)).await,
            Some(Check::Http(_)) | None => self.client.is_registered(id).await,
        }
    }

    /// A third of the TTL; else 10 s.
    fn period(&self) -> Duration {
        match &self.service.check {
            Some(Check::Ttl(check)) => check.ttl / 3,
            Some(Check::Http(_)) | None => PERIOD,
        }
    }

    async fn deregister(&self) -> Result<(), Error> {
        self.client.deregister(&self.service.instance.id).await
    }
}
