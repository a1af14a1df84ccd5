use crate::{
    Event, Instance, Instancer, Instances, Publisher, Snapshot, State,
    owned::Owned,
    publisher::{Sink, Writer},
    race::race,
    set::{Set, Trust},
};
use std::{fmt, future::pending, pin::Pin, sync::Arc, time::Duration};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

/// Follows a registry, and says how far it is believed.
///
/// A registry that is down takes nothing away that was found: the set stays,
/// for ever unless [`keep`](Self::keep) says otherwise. Nor does one that lies:
/// when all instances are gone at once, or the registry's index goes back, the
/// instances that are missing stay until they came again, do not answer a
/// [`probe`](Self::probe), or a [`grace`](Self::grace) of 30 s is over. An
/// instance that is cleanly deregistered beside others leaves at once.
///
/// ```
/// use kit_sd::{Follower, Instances, Instancer, Publisher};
/// use std::time::Duration;
///
/// # struct Registry;
/// # impl Instancer for Registry {
/// #     fn service(&self) -> &str { "hello" }
/// #     async fn run(self, _: Publisher) {}
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let watch = Follower::new(Registry)
///     .grace(Duration::from_secs(10))
///     .on_event(|event| eprintln!("{event}"))
///     .spawn();
/// let hello: Instances = watch.instances();
/// # drop(hello);
/// # }
/// ```
pub struct Follower<I> {
    instancer: I,
    trust: Trust,
    sink: Option<Sink>,
    probe: Option<Probe>,
    #[cfg(feature = "disk")]
    disk: Option<crate::disk::Disk>,
}

/// A task that follows a registry, owned: dropping it ends the task, and with
/// it a query that is under way. Whoever holds the [`Instances`] keeps the
/// last set.
#[derive(Debug)]
pub struct Watch {
    instances: Instances,
    task: Owned<()>,
}

/// Asks an instance whether it lives; erased, for it is asked only in doubt.
type Probe = Box<dyn Fn(Arc<Instance>) -> Pin<Box<dyn Future<Output = bool> + Send>> + Send + Sync>;

/// How long instances in doubt are let alone between two probes.
const PROBE: Duration = Duration::from_secs(1);
/// How many are asked at a time.
const PROBES: usize = 16;

// ===== impl Follower =====

impl<I: Instancer> Follower<I> {
    /// Follows `instancer` with the defaults above.
    pub fn new(instancer: I) -> Self {
        Self {
            instancer,
            trust: Trust { grace: Duration::from_secs(30), keep: None },
            sink: None,
            probe: None,
            #[cfg(feature = "disk")]
            disk: None,
        }
    }

    /// Sets how long what is missing from a doubtful answer stays: 30 s by
    /// default, in which instances that live register again. Zero believes
    /// every answer.
    #[must_use]
    pub const fn grace(mut self, grace: Duration) -> Self {
        self.trust.grace = grace;
        self
    }

    /// Sets how long the set outlives a registry that cannot be asked; for
    /// ever by default. Then there are no instances any more.
    #[must_use]
    pub const fn keep(mut self, keep: Duration) -> Self {
        self.trust.keep = Some(keep);
        self
    }

    /// Asks instances that are missing from a doubtful answer whether they
    /// live, once a second: those that do not are dropped before the grace is
    /// over. An answer that takes over a second is none. Without it nothing is
    /// asked; [`probe_tcp`](crate::probe_tcp) connects.
    #[must_use]
    pub fn probe<F, Fut>(mut self, probe: F) -> Self
    where
        F: Fn(Arc<Instance>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        self.probe = Some(Box::new(move |instance| Box::pin(probe(instance))));
        self
    }

    /// Tells `sink` what becomes of the set. It must not block.
    #[must_use]
    pub fn on_event(mut self, sink: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.sink = Some(Box::new(sink));
        self
    }

    /// Keeps the last set in a file, for a start while the registry is down:
    /// until it answers, the set of the file is the set, and stale. The file is
    /// JSON, replaced as a whole, and a failure to do so is an event.
    #[cfg(feature = "disk")]
    #[must_use]
    pub fn disk(mut self, path: impl Into<std::path::PathBuf>) -> Self {
        self.disk = Some(crate::disk::Disk::new(path.into()));
        self
    }

    /// Starts to follow.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime.
    pub fn spawn(self) -> Watch {
        let service = self.instancer.service().into();
        let (writer, set) = Writer::new(service, self.trust, self.sink);
        let publisher = Publisher::new(Arc::clone(&writer));
        let instances = set.clone();
        let task = Owned(tokio::spawn(async move {
            let probes = ask(&writer, self.probe, set.clone());
            #[cfg(feature = "disk")]
            let disk = crate::disk::keep(self.disk, &writer, set.clone());
            #[cfg(not(feature = "disk"))]
            let disk = pending::<()>();
            let rest = race(race(tick(&writer, set.clone()), probes), disk);
            race(self.instancer.run(publisher), rest).await;
        }));
        Watch { instances, task }
    }
}

/// Does what time alone does to a set, for as long as it runs.
async fn tick(writer: &Writer, mut instances: Instances) {
    loop {
        let due = writer.read(Set::due);
        let wait = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => pending().await,
            }
        };
        let changed = instances.wait_for(|_| writer.read(Set::due) != due);
        race(wait, changed).await;
        writer.update(Set::tick);
    }
}

/// Asks what is missing whether it lives, while there is a doubt.
async fn ask(writer: &Writer, probe: Option<Probe>, mut instances: Instances) {
    let Some(probe) = probe else { return pending().await };
    loop {
        let suspect = |seen: &Snapshot| matches!(seen.state, State::Suspect { .. });
        if instances.wait_for(suspect).await.is_none() {
            return pending().await;
        }
        let begun = Instant::now();
        // Dropped with us, they end.
        let mut asked = JoinSet::new();
        let mut missing = writer.read(|set| set.missing().to_vec()).into_iter();
        loop {
            while asked.len() < PROBES
                && let Some(instance) = missing.next()
            {
                let answer = timeout(PROBE, probe(Arc::clone(&instance)));
                asked.spawn(async move { (instance, answer.await.unwrap_or(false)) });
            }
            match asked.join_next().await {
                Some(Ok((instance, false))) => {
                    writer.update(|set, _, events| set.is_dead(&instance, events));
                }
                // One that lives, or whose probe panicked.
                Some(_) => {}
                None => break,
            }
        }
        sleep_until(begun + PROBE).await;
    }
}

impl<I: fmt::Debug> fmt::Debug for Follower<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower")
            .field("instancer", &self.instancer)
            .field("trust", &self.trust)
            .finish_non_exhaustive()
    }
}

// ===== impl Watch =====

impl Watch {
    /// Starts to follow, with a [`Follower`]'s defaults.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime.
    pub fn spawn<I: Instancer>(instancer: I) -> Self {
        Follower::new(instancer).spawn()
    }

    /// Returns a view of the set.
    #[must_use]
    pub fn instances(&self) -> Instances {
        self.instances.clone()
    }

    /// Says whether the task is over, which it is only if there is nothing
    /// more to learn, or if it panicked.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.0.is_finished()
    }
}
