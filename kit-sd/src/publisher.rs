use crate::{
    Doubt, Event, Instance, Instances, Snapshot,
    set::{Set, Trust},
};
use arc_swap::ArcSwap;
use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{sync::watch, time::Instant};

/// Where an [`Instancer`](crate::Instancer) writes what it learns. When it is
/// dropped, the set is stale.
pub struct Publisher {
    writer: Arc<Writer>,
}

/// What the readers of a set share.
pub(crate) struct Shared {
    pub(crate) service: Arc<str>,
    pub(crate) current: ArcSwap<Snapshot>,
    /// Counts what was stored there.
    pub(crate) version: AtomicU64,
}

/// What its writers share: the one that follows the registry, and the one that
/// follows the clock.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    set: Mutex<Set>,
    wake: watch::Sender<()>,
    sink: Option<Sink>,
}

/// Whom events are told.
pub(crate) type Sink = Box<dyn Fn(&Event) + Send + Sync>;

// ===== impl Publisher =====

impl Publisher {
    pub(crate) const fn new(writer: Arc<Writer>) -> Self {
        Self { writer }
    }

    /// Replaces the set by what the registry said. One that is the same wakes
    /// nobody, but is fresh.
    pub fn publish(&self, instances: impl IntoIterator<Item = Instance>) {
        self.publish_shared(instances.into_iter().map(Arc::new), None);
    }

    /// The same, of instances that are shared: those that were in the set
    /// before are not compared, which makes a small change of a large set
    /// cheap. With a doubt, what is missing from this answer stays until that
    /// is confirmed.
    ///
    /// Returns whether the set is another than before, for a loop that is not
    /// to ask all the time.
    pub fn publish_shared(
        &self,
        instances: impl IntoIterator<Item = Arc<Instance>>,
        doubt: Option<Doubt>,
    ) -> bool {
        let instances = instances.into_iter().collect();
        self.writer.update(|set, now, events| {
            let before = set.snapshot().revision;
            set.answer(instances, doubt, now, events);
            set.snapshot().revision != before
        })
    }

    /// Says that the registry could not be asked, and why; the set stays.
    pub fn fail(&self, error: impl fmt::Display) {
        let error: Arc<str> = error.to_string().into();
        self.writer.update(|set, now, events| set.fail(error, now, events));
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let error = "nobody follows the registry".into();
        self.writer.update(|set, now, events| set.age(error, now, events));
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").field("service", &self.writer.shared.service).finish()
    }
}

// ===== impl Writer =====

impl Writer {
    pub(crate) fn new(
        service: Arc<str>,
        trust: Trust,
        sink: Option<Sink>,
    ) -> (Arc<Self>, Instances) {
        let shared = Arc::new(Shared {
            service,
            current: ArcSwap::default(),
            // A handle that has seen nothing is at 0.
            version: AtomicU64::new(1),
        });
        let (wake, woken) = watch::channel(());
        let instances = Instances::new(Arc::clone(&shared), woken);
        let set = Mutex::new(Set::new(trust));
        (Arc::new(Self { shared, set, wake, sink }), instances)
    }

    /// Changes the set, shows it, wakes who waits, and tells what happened.
    pub(crate) fn update<T>(
        &self,
        change: impl FnOnce(&mut Set, Instant, &mut Vec<Event>) -> T,
    ) -> T {
        let mut events = Vec::new();
        let changed = {
            // It is whole again after each change, whatever panicked.
            let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
            let changed = change(&mut set, Instant::now(), &mut events);
            if !set.snapshot().is_as(&self.shared.current.load()) {
                self.shared.current.store(Arc::new(set.snapshot().clone()));
                self.shared.version.fetch_add(1, Ordering::Release);
                self.wake.send_replace(());
            }
            changed
        };
        if let Some(sink) = &self.sink {
            events.iter().for_each(sink);
        }
        changed
    }

    /// Reads from the set.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Set) -> T) -> T {
        read(&self.set.lock().unwrap_or_else(PoisonError::into_inner))
    }

    #[cfg(feature = "disk")]
    pub(crate) fn tell(&self, event: &Event) {
        if let Some(sink) = &self.sink {
            sink(event);
        }
    }
}
