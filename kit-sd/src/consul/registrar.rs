use super::{Check, Client, Error, Service};
use crate::{Backoff, Health, Instance, pace::Pace};
use std::{future::pending, time::Duration};
use tokio::time::sleep;

/// Registers an instance with an agent.
///
/// Its check passes from the start, so that the instance is found at once:
/// register what is ready. A [`Keeper`](crate::Keeper) calls this.
///
/// That an instance is draining, and its version and zone, are metadata
/// (`draining`, `version`, `zone`), since Consul has no place for them.
#[derive(Debug)]
pub struct Registrar<C> {
    client: C,
    service: Service,
}

/// How often the agent is asked whether it still knows an instance that sends
/// no heartbeats, if it cannot say so by itself.
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

    async fn register(&self, health: Health) -> Result<(), Error> {
        let mut service = self.service.clone();
        service.instance.health = health;
        self.client.register(&service).await?;
        if let Some(Check::Ttl(_)) = self.service.check {
            // Of a check that it has already, the agent keeps how it is.
            self.client.report(&Check::id(&self.service.instance.id), health).await?;
        }
        Ok(())
    }

    /// Sends the heartbeat of a TTL check, else asks for the instance.
    async fn renew(&self, health: Health) -> Result<bool, Error> {
        let id = &self.service.instance.id;
        match self.service.check {
            Some(Check::Ttl(_)) => self.client.report(&Check::id(id), health).await,
            _ => Ok(self.client.service(id, "").await?.is_some()),
        }
    }

    /// A third of the TTL; else 10 s.
    fn period(&self) -> Duration {
        match &self.service.check {
            Some(Check::Ttl(check)) => check.ttl / 3,
            _ => PERIOD,
        }
    }

    async fn deregister(&self) -> Result<(), Error> {
        self.client.deregister(&self.service.instance.id).await
    }

    /// All but those of whom the agent itself finds out how they are.
    fn can_say(&self, health: Health) -> bool {
        match health {
            Health::Passing | Health::Draining => true,
            Health::Warning | Health::Critical => {
                matches!(self.service.check, Some(Check::Ttl(_)))
            }
        }
    }

    /// Waits by a blocking query for the instance itself, which ends when the
    /// agent does not have it any more: it was restarted and lost its state,
    /// say. An outage is waited out.
    async fn lost(&self) {
        let mut hash = String::new();
        let (mut backoff, mut pace) = (Backoff::of_registry(), Pace::new());
        loop {
            pace.wait().await;
            pace.round(false);
            match self.client.service(&self.service.instance.id, &hash).await {
                Ok(None) => return,
                Ok(Some(new)) if new.is_empty() => pending().await,
                Ok(Some(new)) => {
                    backoff.reset();
                    hash = new;
                }
                Err(_) => {
                    hash.clear();
                    sleep(backoff.pause()).await;
                }
            }
        }
    }
}
