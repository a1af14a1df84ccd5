use super::{Client, Entry, Error, Pulse, Query, pulse, wire::facts};
use crate::{
    Address, Backoff, Doubt, Instance, Publisher,
    error::chain,
    pace::Pace,
    race::{First, race},
    set::merged,
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep_until, timeout};

/// Follows the instances of one service by blocking queries.
///
/// See the [module](super) for its rules. A failure is published and tried
/// again ([`Backoff::of_registry`]). Entries whose address nobody can dial, for
/// a port of 0 most often, are left out.
#[derive(Debug)]
pub struct Instancer<C> {
    client: C,
    query: Query,
    /// The highest index that was answered, failures or not.
    highest: u64,
    /// What was answered last: what has not changed is shared with it.
    known: Arc<[Arc<Instance>]>,
    backoff: Backoff,
}

/// What the agent says, and what speaks against it.
struct Told {
    instances: Arc<[Arc<Instance>]>,
    doubt: Option<Doubt>,
}

// ===== impl Query =====

impl Query {
    /// Returns how long the answer may take: the wait, a sixteenth that Consul
    /// adds as jitter, and 10 s for the answer to arrive.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.wait.saturating_add(self.wait / 16).saturating_add(Duration::from_secs(10))
    }
}

// ===== impl Instancer =====

impl<C: Client> Instancer<C> {
    /// Follows `service`. Nothing is sent before it runs.
    pub fn new(client: C, service: impl Into<String>) -> Self {
        let query = Query::new(service);
        let known = Arc::new([]);
        Self { client, query, highest: 0, known, backoff: Backoff::of_registry() }
    }

    /// Says whether all checks of an instance must pass; not by default.
    #[must_use]
    pub const fn passing(mut self, passing: bool) -> Self {
        self.query.passing = passing;
        self
    }

    /// Adds a tag that an instance must have, beside the others.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.query.tags.push(tag.into());
        self
    }

    /// Sets how long a query waits for a change: 55 s by default, below the
    /// minute at which many proxies cut a silent connection.
    #[must_use]
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.query.wait = wait;
        self
    }

    /// Sets the pauses after failures.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Asks once, and keeps the index for the next time.
    async fn ask(&mut self, pulse: &Pulse) -> Result<Told, Error> {
        let patience = self.query.patience();
        // A failure may be a restart, after which the index begins anew.
        let last = std::mem::take(&mut self.query.index);
        let query = Query { index: last, ..self.query.clone() };
        let asked = timeout(patience, self.client.health(&query));
        let answer = match race(asked, pulse.missed(&self.client)).await {
            First::Left(answer) => answer,
            First::Right(silent) => return Err(silent),
        };
        let answer = answer.unwrap_or(Err(Error::TimedOut(patience)))?;
        match answer.index {
            0 => return Err(Error::NoIndex),
            // It went back: ask again from the start.
            index if index < last => {}
            index => self.query.index = index,
        }
        let went_back = answer.index < self.highest;
        self.highest = answer.index;
        let service = &self.query.service;
        let instance = |entry: Entry| entry.into_instance(service).map(Arc::new);
        let instances = answer.entries.into_iter().filter_map(instance).collect();
        self.known = merged(&self.known, instances);
        let instances = Arc::clone(&self.known);
        Ok(Told { instances, doubt: went_back.then_some(Doubt::WentBack) })
    }

    /// Asks again after a failure: first whether anybody is there, for that is
    /// soon known, and a query may take its time.
    async fn ask_again(&mut self, pulse: &Pulse) -> Result<Told, Error> {
        let late = Err(Error::TimedOut(pulse::LIMIT));
        timeout(pulse::LIMIT, self.client.ping()).await.unwrap_or(late)?;
        self.ask(pulse).await
    }
}

impl<C: Client> crate::Instancer for Instancer<C> {
    fn service(&self) -> &str {
        &self.query.service
    }

    async fn run(mut self, publisher: Publisher) {
        let pulse = self.client.pulse();
        let mut pace = Pace::new();
        let mut is_down = false;
        loop {
            pace.wait().await;
            let begun = Instant::now();
            let told = if is_down { self.ask_again(&pulse).await } else { self.ask(&pulse).await };
            match told {
                Ok(Told { instances, doubt }) => {
                    pace.round(publisher.publish_shared(instances.iter().cloned(), doubt));
                }
                Err(error) => {
                    pace.round(false);
                    publisher.fail(chain(&error));
                    // From try to try, not from the end of one to the next: a
                    // silent agent makes each take its time.
                    let from = if is_down { begun } else { Instant::now() };
                    is_down = true;
                    sleep_until(from + self.backoff.pause()).await;
                    continue;
                }
            }
            is_down = false;
            self.backoff.reset();
        }
    }
}

// ===== impl Entry =====

impl Entry {
    fn into_instance(mut self, service: &str) -> Option<Instance> {
        let host = if self.address.is_empty() { &self.node } else { &self.address };
        let address = Address::new(host, self.port).ok()?;
        let mut instance = Instance::new(service, address).id(self.id).weight(self.weight);
        instance.health = self.health;
        facts::take(&mut self.metadata, &mut instance);
        instance.tags = self.tags;
        instance.metadata = self.metadata;
        Some(instance)
    }
}
