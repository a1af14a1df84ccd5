use super::{Client, Entry, Error, Query};
use crate::{Address, Backoff, Instance, Publisher, error::chain};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// Follows the instances of one service by blocking queries.
///
/// See the [module](super) for its rules. A failure is published and tried
/// again with backoff (100 ms to 30 s, full jitter). Entries whose address
/// nobody can dial, for a port of 0 most often, are left out.
#[derive(Debug)]
pub struct Instancer<C> {
    client: C,
    query: Query,
    backoff: Backoff,
}

/// Holds a loop to so many rounds in a time; rounds that were not used are
/// saved, up to a second's.
#[derive(Debug)]
struct Pace {
    /// When the next round would begin if they were evenly spread.
    next: Instant,
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
        let query = Query {
            service: service.into(),
            tags: Vec::new(),
            passing: false,
            index: 0,
            wait: Duration::from_secs(55),
        };
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(30));
        Self { client, query, backoff }
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
    async fn ask(&mut self) -> Result<Vec<Instance>, Error> {
        let patience = self.query.patience();
        // A failure may be a restart, after which the index begins anew.
        let last = std::mem::take(&mut self.query.index);
        let query = Query { index: last, ..self.query.clone() };
        let health = timeout(patience, self.client.health(&query))
            .await
            .unwrap_or(Err(Error::TimedOut(patience)))?;
        match health.index {
            0 => return Err(Error::NoIndex),
            // It went back: ask again from the start.
            index if index < last => {}
            index => self.query.index = index,
        }
        let service = &self.query.service;
        Ok(health.entries.into_iter().filter_map(|entry| entry.into_instance(service)).collect())
    }
}

impl<C: Client> crate::Instancer for Instancer<C> {
    fn service(&self) -> &str {
        &self.query.service
    }

    async fn run(mut self, publisher: Publisher) {
        let mut pace = Pace::new();
        loop {
            pace.wait().await;
            match self.ask().await {
                Ok(instances) => {
                    self.backoff.reset();
                    publisher.publish(instances);
                }
                Err(error) => {
                    publisher.fail(chain(&error));
                    sleep(self.backoff.pause()).await;
                }
            }
        }
    }
}

// ===== impl Entry =====

impl Entry {
    fn into_instance(self, service: &str) -> Option<Instance> {
        let host = if self.address.is_empty() { &self.node } else { &self.address };
        let address = Address::new(host, self.port).ok()?;
        let mut instance = Instance::new(service, address).id(self.id);
        instance.tags = self.tags;
        instance.metadata = self.metadata;
        Some(instance)
    }
}

// ===== impl Pace =====

impl Pace {
    const PERIOD: Duration = Duration::from_millis(100);
    const SAVED: u32 = 10;

    fn new() -> Self {
        Self { next: Instant::now() }
    }

    async fn wait(&mut self) {
        let now = Instant::now();
        let earliest = now.checked_sub(Self::PERIOD * Self::SAVED).unwrap_or(now);
        self.next = self.next.max(earliest);
        sleep_until(self.next).await;
        self.next += Self::PERIOD;
    }
}
