use super::{Change, Changes, Client, Error, Etcd, Layout, Told};
use crate::{Backoff, Health, Instance, pace::Pace};
use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::sleep;

/// Registers an instance under a lease, for as long as that is kept alive.
///
/// A [`Keeper`](crate::Keeper) calls this. Without it the instance is gone when
/// its time to live is over.
pub struct Registrar<C: Client = Etcd> {
    client: C,
    instance: Instance,
    layout: Layout,
    ttl: Duration,
    lease: Mutex<Option<i64>>,
    /// The watch of the key, from one call of [`lost`](crate::Registrar::lost)
    /// to the next.
    watch: tokio::sync::Mutex<Option<C::Watch>>,
}

// ===== impl Registrar =====

impl<C: Client> Registrar<C> {
    /// Registers `instance` with a time to live of 10 s, which is Go kit's.
    pub fn new(client: C, instance: Instance) -> Self {
        Self {
            client,
            instance,
            layout: Layout::default(),
            ttl: Duration::from_secs(10),
            lease: Mutex::default(),
            watch: tokio::sync::Mutex::default(),
        }
    }

    /// Sets where in etcd the instance is put, and how it is written.
    #[must_use]
    pub fn layout(mut self, layout: Layout) -> Self {
        self.layout = layout;
        self
    }

    /// Sets how long the instance stays without a heartbeat, in whole seconds,
    /// rounded up; etcd takes 2 s for less. A third of it is the time between
    /// two heartbeats.
    #[must_use]
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    fn lease(&self) -> Option<i64> {
        *self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_lease(&self, lease: Option<i64>) {
        *self.lease.lock().unwrap_or_else(PoisonError::into_inner) = lease;
    }

    /// Whether the lease that we have lives on.
    async fn is_alive(&self) -> Result<Option<i64>, Error> {
        let Some(lease) = self.lease() else { return Ok(None) };
        if self.client.keep_alive(lease).await? {
            return Ok(Some(lease));
        }
        self.set_lease(None);
        Ok(None)
    }

    /// Waits until the key is deleted; an error is no answer. Given up, it goes
    /// on where it was.
    async fn deleted(
        &self,
        key: &str,
        watch: &mut Option<C::Watch>,
        backoff: &mut Backoff,
    ) -> Result<(), Error> {
        if watch.is_none() {
            let listing = self.client.list(key).await?;
            if !listing.entries.iter().any(|entry| entry.key == key.as_bytes()) {
                return Ok(());
            }
            *watch = Some(self.client.watch(key, listing.revision + 1).await?);
        }
        while let Some(watch) = watch {
            let Told::Changes { changes, .. } = watch.next().await? else {
                return Err(Error::Cancelled("the revision is compacted".to_owned()));
            };
            backoff.reset();
            let own = changes.iter().rev().find(|change| change.key() == key.as_bytes());
            if let Some(Change::Deleted(_)) = own {
                break;
            }
        }
        Ok(())
    }

    /// What the watch has yet to tell is about what was there before.
    fn unwatch(&self) {
        if let Ok(mut watch) = self.watch.try_lock() {
            *watch = None;
        }
    }
}

impl<C: Client> crate::Registrar for Registrar<C> {
    type Error = Error;

    fn instance(&self) -> &Instance {
        &self.instance
    }

    /// Puts the key under the lease that there is, or else a new one.
    async fn register(&self, health: Health) -> Result<(), Error> {
        let mut instance = self.instance.clone();
        instance.health = health;
        let key = self.layout.key(&instance);
        let value = self.layout.write(&instance).map_err(|error| Error::Other(error.into()))?;
        // A lease that is soon over would take the key along.
        let lease = if let Some(lease) = self.is_alive().await? {
            lease
        } else {
            let lease = self.client.grant(self.ttl).await?;
            self.set_lease(Some(lease));
            lease
        };
        if self.client.put(&key, &value, lease).await? {
            self.unwatch();
            return Ok(());
        }
        self.set_lease(None);
        Err(Error::LeaseLost)
    }

    /// Keeps the lease alive.
    async fn renew(&self, _: Health) -> Result<bool, Error> {
        Ok(self.is_alive().await?.is_some())
    }

    /// A third of the time to live.
    fn period(&self) -> Duration {
        self.ttl / 3
    }

    /// Deletes the key and revokes the lease.
    async fn deregister(&self) -> Result<(), Error> {
        self.client.delete(&self.layout.key(&self.instance)).await?;
        self.unwatch();
        if let Some(lease) = self.lease() {
            self.set_lease(None);
            // The key is gone; a lease that is left has none, and lapses.
            _ = self.client.revoke(lease).await;
        }
        Ok(())
    }

    /// All where the value is JSON, none but passing in Go kit's layout.
    fn can_say(&self, health: Health) -> bool {
        self.layout.can_say(health)
    }

    /// Watches the key, and waits until it is deleted: by another hand, or
    /// because the lease was over or the registry was wiped. An outage is
    /// waited out.
    async fn lost(&self) {
        let key = self.layout.key(&self.instance);
        let (mut backoff, mut pace) = (Backoff::of_registry(), Pace::new());
        let mut watch = self.watch.lock().await;
        loop {
            pace.wait().await;
            pace.round(false);
            let deleted = self.deleted(&key, &mut watch, &mut backoff).await;
            *watch = None;
            if deleted.is_ok() {
                return;
            }
            sleep(backoff.pause()).await;
        }
    }
}

impl<C: Client + fmt::Debug> fmt::Debug for Registrar<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registrar")
            .field("client", &self.client)
            .field("instance", &self.instance)
            .field("layout", &self.layout)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

// ===== impl Change =====

impl Change {
    fn key(&self) -> &[u8] {
        match self {
            Self::Put(entry) => &entry.key,
            Self::Deleted(key) => key,
        }
    }
}
