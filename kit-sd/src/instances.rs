use crate::Instance;
use kit_endpoint::{Inspect, Inspector};
use std::{fmt, sync::Arc};
use tokio::{sync::watch, time::Instant};

/// The instances of one service, as they are now: a view to be cloned, waited
/// on, and handed to whoever wants to know.
///
/// It carries the whole set, not changes of it: who subscribes late or reads
/// slowly misses nothing and holds up nobody, but may see two changes as one.
/// The set is sorted and has every instance once. When the registry cannot be
/// asked the last set stays, and [`State`] says so.
///
/// An answer of the registry is believed, also one that says there are no
/// instances any more.
///
/// ```
/// use kit_sd::{Instance, Instances, State};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), kit_sd::InvalidAddress> {
/// let (publisher, mut hello) = Instances::channel("hello");
/// publisher.publish([Instance::new("hello", "10.0.0.1:80".parse()?)]);
/// publisher.fail("connection refused");
///
/// let seen = hello.changed().await.unwrap();
/// assert_eq!(seen.instances.len(), 1);
/// assert!(matches!(seen.state, State::Stale { .. }));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Instances {
    watched: watch::Receiver<Snapshot>,
    service: Arc<str>,
    /// The revision that this handle returned last.
    seen: u64,
}

/// Where an [`Instancer`](crate::Instancer) writes what it learns. When it is
/// dropped, the set is stale.
#[derive(Debug)]
pub struct Publisher {
    watched: watch::Sender<Snapshot>,
}

/// A set of instances, and how fresh it is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Snapshot {
    /// The instances, sorted by id and address. Those that did not change are
    /// shared with the set before.
    pub instances: Arc<[Arc<Instance>]>,
    /// How fresh the set is.
    pub state: State,
    /// Counts the sets: 0 before the first, one more for each that differs.
    pub revision: u64,
    /// Counts the failures to ask the registry.
    pub failures: u64,
}

/// How fresh a set of instances is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum State {
    /// No answer has come yet; the error is the last reason.
    NeverSeen {
        /// Why there is no answer, once one try has failed.
        error: Option<Arc<str>>,
    },
    /// The registry said so, and is being watched.
    Fresh,
    /// The registry cannot be asked; the set is the last one it told.
    Stale {
        /// When the first try failed.
        since: Instant,
        /// Why the last one did.
        error: Arc<str>,
    },
}

// ===== impl Instances =====

impl Instances {
    /// Creates an empty set for `service`, never seen, and what fills it.
    pub fn channel(service: impl Into<Arc<str>>) -> (Publisher, Self) {
        let (sender, watched) = watch::channel(Snapshot::new());
        (Publisher { watched: sender }, Self { watched, service: service.into(), seen: 0 })
    }

    /// Creates a set that never changes.
    pub fn fixed(
        service: impl Into<Arc<str>>,
        instances: impl IntoIterator<Item = Instance>,
    ) -> Self {
        let mut snapshot = Snapshot::new();
        snapshot.replace(instances.into_iter().collect());
        let (_, watched) = watch::channel(snapshot);
        Self { watched, service: service.into(), seen: 0 }
    }

    /// Returns the name of the service.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Returns the set as it is now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.watched.borrow().clone()
    }

    /// Waits for a set that this handle has not returned yet: at first for
    /// any, which may be there already. `None` says that there will be none,
    /// since nobody publishes any more.
    ///
    /// Dropping the future loses nothing.
    pub async fn changed(&mut self) -> Option<Snapshot> {
        let seen = self.seen;
        let snapshot = self.wait_for(|snapshot| snapshot.revision != seen).await?;
        self.seen = snapshot.revision;
        Some(snapshot)
    }

    /// Waits until the set, or its state, is as `wanted`; it may be so
    /// already. `None` says that it will never be, since nobody publishes any
    /// more.
    ///
    /// Dropping the future loses nothing.
    pub async fn wait_for(&mut self, wanted: impl FnMut(&Snapshot) -> bool) -> Option<Snapshot> {
        self.watched.wait_for(wanted).await.ok().map(|snapshot| snapshot.clone())
    }
}

impl Inspect for Instances {
    fn inspect(&self, inspector: &mut dyn Inspector) {
        let snapshot = self.snapshot();
        let labels = [("service", &*self.service)];
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        let count = snapshot.instances.len() as f64;
        inspector.gauge("sd_instances", "Instances in the set.", &labels, count);
        inspector.state(
            "sd_state",
            "How fresh the set is: fresh, stale or never_seen.",
            &labels,
            snapshot.state.name(),
        );
        inspector.counter(
            "sd_failures_total",
            "Failures to ask the registry for the set.",
            &labels,
            snapshot.failures,
        );
    }
}

// ===== impl Publisher =====

impl Publisher {
    /// Replaces the set. One that is the same wakes nobody, but is fresh.
    pub fn publish(&self, instances: impl IntoIterator<Item = Instance>) {
        let instances = instances.into_iter().collect();
        self.watched.send_if_modified(|snapshot| snapshot.replace(instances));
    }

    /// Says that the registry could not be asked, and why; the set stays.
    pub fn fail(&self, error: impl fmt::Display) {
        let error = error.to_string().into();
        self.watched.send_modify(|snapshot| {
            snapshot.failures += 1;
            snapshot.age(error);
        });
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.watched.send_modify(|snapshot| snapshot.age("nobody follows the registry".into()));
    }
}

// ===== impl Snapshot =====

impl Snapshot {
    fn new() -> Self {
        Self {
            instances: Arc::new([]),
            state: State::NeverSeen { error: None },
            revision: 0,
            failures: 0,
        }
    }

    /// Returns whether there is something new to see.
    fn replace(&mut self, mut instances: Vec<Instance>) -> bool {
        instances.sort_by(|a, b| a.key().cmp(&b.key()));
        instances.dedup_by(|a, b| a.key() == b.key());
        let is_first = self.revision == 0;
        let is_same = self.instances.iter().map(|instance| &**instance).eq(&instances);
        let was_fresh = matches!(self.state, State::Fresh);
        self.state = State::Fresh;
        if is_same && !is_first {
            return !was_fresh;
        }
        self.instances = instances.into_iter().map(|instance| self.shared(instance)).collect();
        self.revision += 1;
        true
    }

    /// Returns the instance of the set before, if it is the same.
    fn shared(&self, instance: Instance) -> Arc<Instance> {
        match self.instances.binary_search_by(|old| old.key().cmp(&instance.key())) {
            Ok(at) if *self.instances[at] == instance => Arc::clone(&self.instances[at]),
            _ => Arc::new(instance),
        }
    }

    fn age(&mut self, error: Arc<str>) {
        self.state = match self.state {
            State::NeverSeen { .. } => State::NeverSeen { error: Some(error) },
            State::Fresh => State::Stale { since: Instant::now(), error },
            State::Stale { since, .. } => State::Stale { since, error },
        };
    }
}

// ===== impl State =====

impl State {
    /// Returns its name: `fresh`, `stale` or `never_seen`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NeverSeen { .. } => "never_seen",
            Self::Fresh => "fresh",
            Self::Stale { .. } => "stale",
        }
    }

    /// Returns why the registry could not be asked, if it could not.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::NeverSeen { error } => error.as_deref(),
            Self::Fresh => None,
            Self::Stale { error, .. } => Some(error),
        }
    }
}
