use crate::{
    Filter, Instance, Snapshot, State,
    publisher::{Shared, Writer},
    set::Trust,
};
use kit_endpoint::{Inspect, Inspector};
use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::{sync::watch, time::Instant};

pub use crate::publisher::Publisher;

/// The instances of one service, as they are now: a view to be cloned, waited
/// on, and handed to whoever wants to know.
///
/// It carries the whole set, not changes of it: who subscribes late or reads
/// slowly misses nothing and holds up nobody, but may see two changes as one.
/// The set is sorted and has every instance once. One set serves all methods
/// and clients of a service; each may have a [`filter`](Self::filter) of its
/// own.
///
/// When the registry cannot be asked the last set stays, and when its answer is
/// doubtful, what is missing from it does; [`State`] says so. How long either
/// is kept, a [`Follower`](crate::Follower) says.
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
///
/// # Cost
///
/// [`current`](Self::current) reads one atomic number while nothing changes;
/// a change wakes those who wait, and is fetched by each when it looks.
#[derive(Clone)]
pub struct Instances {
    shared: Arc<Shared>,
    woken: watch::Receiver<()>,
    filter: Option<Arc<Filter>>,
    /// What this handle has seen, and the number of that.
    view: Arc<Snapshot>,
    version: u64,
    /// The revision that [`changed`](Self::changed) returned last.
    seen: u64,
}

// ===== impl Instances =====

impl Instances {
    /// Creates an empty set for `service`, never seen, and what fills it.
    ///
    /// Every answer is believed here, also one that says that there are no
    /// instances any more: doubt is a [`Follower`](crate::Follower)'s, which
    /// has a clock.
    pub fn channel(service: impl Into<Arc<str>>) -> (Publisher, Self) {
        let trust = Trust { grace: Duration::ZERO, keep: None };
        let (writer, instances) = Writer::new(service.into(), trust, None);
        (Publisher::new(writer), instances)
    }

    /// Creates a set that never changes.
    pub fn fixed(
        service: impl Into<Arc<str>>,
        instances: impl IntoIterator<Item = Instance>,
    ) -> Self {
        let trust = Trust { grace: Duration::ZERO, keep: None };
        let (writer, fixed) = Writer::new(service.into(), trust, None);
        let instances = instances.into_iter().map(Arc::new).collect();
        writer.update(|set, now, events| set.answer(instances, None, now, events));
        fixed
    }

    pub(crate) fn new(shared: Arc<Shared>, woken: watch::Receiver<()>) -> Self {
        let view = Arc::new(Snapshot::default());
        Self { shared, woken, filter: None, view, version: 0, seen: 0 }
    }

    /// Returns a view of those that `filter` wants. A change of the others is
    /// none of this view.
    #[must_use]
    pub fn filter(&self, filter: Filter) -> Self {
        let mut filtered = Self::new(Arc::clone(&self.shared), self.woken.clone());
        filtered.filter = Some(Arc::new(filter));
        filtered
    }

    /// Returns the name of the service.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.shared.service
    }

    /// Returns the set as it is now: the same as [`current`](Self::current),
    /// of a handle that is shared. It takes no lock, but a filter is applied
    /// each time.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        if self.shared.version.load(Ordering::Acquire) == self.version {
            Arc::clone(&self.view)
        } else {
            self.look()
        }
    }

    /// Returns the set as it is now. It takes no lock.
    pub fn current(&mut self) -> &Arc<Snapshot> {
        let version = self.shared.version.load(Ordering::Acquire);
        if version != self.version {
            // What is looked at may be newer than that: then it is looked at
            // once more, and found unchanged.
            self.view = self.look();
            self.version = version;
        }
        &self.view
    }

    /// Waits for a set that this handle has not returned yet: at first for
    /// any, which may be there already. `None` says that there will be none,
    /// since nobody publishes any more.
    ///
    /// Dropping the future loses nothing.
    pub async fn changed(&mut self) -> Option<Arc<Snapshot>> {
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
    pub async fn wait_for(
        &mut self,
        mut wanted: impl FnMut(&Snapshot) -> bool,
    ) -> Option<Arc<Snapshot>> {
        loop {
            // What comes while we look wakes us again.
            self.woken.mark_unchanged();
            let current = self.current();
            if wanted(current) {
                return Some(Arc::clone(current));
            }
            if self.woken.changed().await.is_err() {
                // The last word may have come just before the end.
                let current = self.current();
                return wanted(current).then(|| Arc::clone(current));
            }
        }
    }

    /// Makes this handle's view of what is there.
    fn look(&self) -> Arc<Snapshot> {
        let source = self.shared.current.load_full();
        let Some(filter) = &self.filter else { return source };
        let wanted = |one: &&Arc<Instance>| filter.matches(one);
        let mut view = Snapshot::clone(&source);
        let is_same = source.instances.iter().filter(wanted).eq(self.view.instances.iter());
        if is_same && (self.view.revision > 0 || source.revision == 0) {
            view.instances = Arc::clone(&self.view.instances);
            view.revision = self.view.revision;
        } else {
            view.instances = source.instances.iter().filter(wanted).cloned().collect();
            view.revision = self.view.revision + 1;
        }
        Arc::new(view)
    }
}

impl Inspect for Instances {
    fn inspect(&self, inspector: &mut dyn Inspector) {
        let snapshot = self.snapshot();
        let labels = [("service", self.service())];
        let (missing, since) = match snapshot.state {
            State::Suspect { missing, .. } => (missing, None),
            State::Stale { since, .. } => (0, Some(since)),
            _ => (0, None),
        };
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        let (count, missing) = (snapshot.instances.len() as f64, missing as f64);
        inspector.gauge(
            "sd_up",
            "Whether the registry answers, 0 or 1.",
            &labels,
            f64::from(u8::from(snapshot.state.is_up())),
        );
        inspector.gauge("sd_instances", "Instances in the set.", &labels, count);
        inspector.gauge(
            "sd_instances_missing",
            "Instances that are kept although the registry, which is doubted, does not know them.",
            &labels,
            missing,
        );
        inspector.gauge(
            "sd_stale_seconds",
            "For how long the registry could not be asked; 0 when it can.",
            &labels,
            since
                .map_or(0.0, |since| Instant::now().saturating_duration_since(since).as_secs_f64()),
        );
        inspector.state(
            "sd_state",
            "How fresh the set is: fresh, stale, suspect or never_seen.",
            &labels,
            snapshot.state.name(),
        );
        inspector.counter(
            "sd_changes_total",
            "Sets that differed from the one before.",
            &labels,
            snapshot.revision,
        );
        inspector.counter(
            "sd_failures_total",
            "Failures to ask the registry for the set.",
            &labels,
            snapshot.failures,
        );
    }
}

impl fmt::Debug for Instances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instances")
            .field("service", &self.shared.service)
            .field("filter", &self.filter)
            .field("snapshot", &self.snapshot())
            .finish_non_exhaustive()
    }
}
