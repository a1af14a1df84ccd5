use super::{
    Error, Family, Lookup, Timing,
    question::{Question, Told, follow},
};
use crate::{Address, Backoff, Instance, InvalidAddress, Publisher};
use std::{net::SocketAddr, sync::Arc};

/// Follows the addresses of a name: each, with one port, is an instance.
///
/// Kubernetes' headless services are such names, and so is each name with
/// several A or AAAA records. The [module](super) has the rules.
///
/// The id of an instance is `service-address-port`. What nobody can dial,
/// `0.0.0.0` for one, is left out; if nothing else is there, the answer counts
/// as a failure.
#[derive(Debug)]
pub struct Addresses<L> {
    asked: Asked<L>,
    timing: Timing,
    backoff: Backoff,
}

#[derive(Debug)]
struct Asked<L> {
    lookup: L,
    name: Arc<str>,
    service: Arc<str>,
    port: u16,
    family: Family,
}

// ===== impl Addresses =====

impl<L: Lookup> Addresses<L> {
    /// Follows the addresses of `name`, with `port`. Nothing is asked before it
    /// runs; a name or port that cannot be is a failure that is published then.
    pub fn new(lookup: L, name: impl Into<Arc<str>>, port: u16) -> Self {
        let name = name.into();
        let service = name.trim_end_matches('.').into();
        let asked = Asked { lookup, name, service, port, family: Family::Any };
        Self { asked, timing: Timing::new(), backoff: Backoff::of_registry() }
    }

    /// Sets the name of the service; the DNS name by default.
    #[must_use]
    pub fn service(mut self, service: impl Into<Arc<str>>) -> Self {
        self.asked.service = service.into();
        self
    }

    /// Sets which addresses are asked for; all by default.
    #[must_use]
    pub const fn family(mut self, family: Family) -> Self {
        self.asked.family = family;
        self
    }

    /// Sets when it asks.
    #[must_use]
    pub const fn timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// Sets the pauses after failures: [`Backoff::of_registry`] by default.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }
}

impl<L: Lookup> Question for Asked<L> {
    async fn ask(&self) -> Result<Told, Error> {
        let answer = self.lookup.addresses(&self.name, self.family).await?.only(self.family);
        if answer.records.is_empty() {
            return Ok(Told::unknown(answer.ttl));
        }
        let mut instances = Vec::with_capacity(answer.records.len());
        let mut invalid: Option<InvalidAddress> = None;
        for ip in &answer.records {
            match Address::try_from(SocketAddr::new(*ip, self.port)) {
                Ok(address) => instances.push(Instance::new(&*self.service, address)),
                Err(error) => invalid = invalid.or(Some(error)),
            }
        }
        match invalid {
            Some(source) if instances.is_empty() => {
                Err(Error::Unusable { records: answer.records.len(), source })
            }
            _ => Ok(Told::found(instances, answer.ttl)),
        }
    }
}

impl<L: Lookup> crate::Instancer for Addresses<L> {
    fn service(&self) -> &str {
        &self.asked.service
    }

    async fn run(self, publisher: Publisher) {
        follow(self.asked, self.timing, self.backoff, publisher).await;
    }
}
