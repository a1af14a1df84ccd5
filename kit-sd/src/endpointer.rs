use crate::{
    Backoff, Health, Instance, Instances,
    owned::Owned,
    race::{First, race},
};
use arc_swap::ArcSwap;
use kit_endpoint::{Inspect, Inspector};
use std::{
    fmt,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::sleep;

/// Makes an endpoint of every instance, and owns the task that does.
///
/// The factory is called once for each instance that comes; an endpoint lives
/// as long as its instance is in the set, whatever becomes of tags and
/// metadata. An instance that is critical gets none, and one that is draining
/// only where no other is left. New endpoints are there before old ones go, and a call that is
/// under way keeps its endpoint until it is done. An instance of which the
/// factory cannot make one is left out, and tried again with backoff (100 ms
/// to 30 s) though the set does not change.
///
/// Dropping it ends the task and drops every endpoint; balancers then find
/// none.
///
/// ```
/// use kit_endpoint::Request;
/// use kit_sd::{Endpointer, Instance, Instances};
/// use std::convert::Infallible;
/// use tower::service_fn;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), kit_sd::InvalidAddress> {
/// let hello = Instances::fixed("hello", [Instance::new("hello", "10.0.0.1:80".parse()?)]);
/// let endpointer = Endpointer::spawn(hello, |instance: &Instance| {
///     let address = instance.address.clone();
///     Ok::<_, Infallible>(service_fn(move |_: Request<()>| {
///         let address = address.clone();
///         async move { Ok::<_, Infallible>(address) }
///     }))
/// });
/// let endpoints = endpointer.endpoints();
/// # tokio::task::yield_now().await;
/// assert_eq!(endpoints.len(), 1);
/// # Ok(())
/// # }
/// ```
pub struct Endpointer<S> {
    endpoints: Endpoints<S>,
    _task: Owned<()>,
}

/// The endpoints of a service as they are now, shared by all clones. Reading
/// takes no lock.
pub struct Endpoints<S> {
    shared: Arc<Shared<S>>,
}

/// An endpoint, and the instance that it reaches.
#[derive(Debug, Clone)]
pub struct Member<S> {
    instance: Arc<Instance>,
    endpoint: S,
}

struct Shared<S> {
    members: ArcSwap<Vec<Member<S>>>,
    failures: AtomicU64,
    service: Arc<str>,
}

/// Empties the set when the task ends, however it does.
struct Filling<S>(Endpoints<S>);

// ===== impl Endpointer =====

impl<S: Clone + Send + Sync + 'static> Endpointer<S> {
    /// Starts to make endpoints of `instances` by `factory`, which must not
    /// block: let it prepare a connection and the first call make it.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime.
    pub fn spawn<F, E>(instances: Instances, factory: F) -> Self
    where
        F: FnMut(&Instance) -> Result<S, E> + Send + 'static,
        E: Send + 'static,
    {
        Self::with_backoff(
            instances,
            factory,
            Backoff::new(Duration::from_millis(100), Duration::from_secs(30)),
        )
    }

    /// The same, with another backoff for a factory that fails.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime.
    pub fn with_backoff<F, E>(instances: Instances, factory: F, backoff: Backoff) -> Self
    where
        F: FnMut(&Instance) -> Result<S, E> + Send + 'static,
        E: Send + 'static,
    {
        let endpoints = Endpoints::new(instances.service().into(), Vec::new());
        let filling = Filling(endpoints.clone());
        let task = Owned(tokio::spawn(filling.run(instances, factory, backoff)));
        Self { endpoints, _task: task }
    }
}

impl<S> Endpointer<S> {
    /// Returns a view of the endpoints.
    #[must_use]
    pub fn endpoints(&self) -> Endpoints<S> {
        self.endpoints.clone()
    }
}

impl<S> Drop for Endpointer<S> {
    fn drop(&mut self) {
        // At once; the task does it again if it was just filling the set.
        self.endpoints.clear();
    }
}

impl<S> fmt::Debug for Endpointer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpointer").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}

// ===== impl Filling =====

impl<S: Clone> Filling<S> {
    async fn run<F, E>(self, mut instances: Instances, mut factory: F, mut backoff: Backoff)
    where
        F: FnMut(&Instance) -> Result<S, E>,
    {
        let mut set: Arc<[Arc<Instance>]> = Arc::new([]);
        let mut is_whole = true;
        // Kept when nobody publishes any more, as every outage is outlived.
        let mut is_over = false;
        loop {
            let retry =
                async { if is_whole { pending().await } else { sleep(backoff.pause()).await } };
            let changed =
                async { if is_over { pending().await } else { instances.changed().await } };
            match race(changed, retry).await {
                First::Left(Some(snapshot)) => {
                    set = serving(&snapshot.instances);
                    backoff.reset();
                }
                First::Left(None) => {
                    is_over = true;
                    continue;
                }
                First::Right(()) => {}
            }
            is_whole = self.0.fill(&set, &mut factory);
        }
    }
}

/// Those that are to get calls: one that is draining only where no other is.
fn serving(all: &Arc<[Arc<Instance>]>) -> Arc<[Arc<Instance>]> {
    let serves = |one: &&Arc<Instance>| one.health.is_serving();
    if all.iter().all(|one| serves(&one)) {
        return Arc::clone(all);
    }
    let some: Arc<[_]> = all.iter().filter(serves).cloned().collect();
    if some.is_empty() {
        all.iter().filter(|one| one.health == Health::Draining).cloned().collect()
    } else {
        some
    }
}

impl<S> Drop for Filling<S> {
    fn drop(&mut self) {
        self.0.clear();
    }
}

// ===== impl Endpoints =====

impl<S> Endpoints<S> {
    /// Creates a set that never changes. Of two for one instance the first
    /// stays.
    pub fn fixed(members: impl IntoIterator<Item = (Instance, S)>) -> Self {
        let mut members: Vec<_> = members
            .into_iter()
            .map(|(instance, endpoint)| Member { instance: Arc::new(instance), endpoint })
            .collect();
        members.sort_by(|a, b| a.instance.key().cmp(&b.instance.key()));
        members.dedup_by(|a, b| a.instance.key() == b.instance.key());
        let service = members.first().map_or("", |member| &member.instance.service).into();
        Self::new(service, members)
    }

    fn new(service: Arc<str>, members: Vec<Member<S>>) -> Self {
        let members = ArcSwap::from_pointee(members);
        Self { shared: Arc::new(Shared { members, failures: AtomicU64::new(0), service }) }
    }

    /// Reads the set as it is now, sorted as its instances are. Keep `read`
    /// short: the set lives as long as it runs.
    pub fn with<T>(&self, read: impl FnOnce(&[Member<S>]) -> T) -> T {
        read(&self.shared.members.load())
    }

    /// Returns how many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.with(<[_]>::len)
    }

    /// Says whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.with(<[_]>::is_empty)
    }

    fn clear(&self) {
        self.shared.members.store(Arc::new(Vec::new()));
    }
}

impl<S: Clone> Endpoints<S> {
    /// Returns whether every instance has its endpoint.
    fn fill<E>(
        &self,
        set: &[Arc<Instance>],
        factory: &mut impl FnMut(&Instance) -> Result<S, E>,
    ) -> bool {
        let old = self.shared.members.load_full();
        let mut members = Vec::with_capacity(set.len());
        for instance in set {
            let known = old.binary_search_by(|old| old.instance.key().cmp(&instance.key()));
            let endpoint = match known {
                Ok(at) => Ok(old[at].endpoint.clone()),
                Err(_) => factory(instance),
            };
            let Ok(endpoint) = endpoint else {
                self.shared.failures.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            members.push(Member { instance: Arc::clone(instance), endpoint });
        }
        let is_whole = members.len() == set.len();
        self.shared.members.store(Arc::new(members));
        is_whole
    }
}

impl<S: Send + Sync> Inspect for Endpoints<S> {
    fn inspect(&self, inspector: &mut dyn Inspector) {
        let labels = [("service", &*self.shared.service)];
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        let count = self.len() as f64;
        inspector.gauge("sd_endpoints", "Endpoints to choose from.", &labels, count);
        inspector.counter(
            "sd_factory_failures_total",
            "Endpoints that could not be made of their instance.",
            &labels,
            self.shared.failures.load(Ordering::Relaxed),
        );
    }
}

impl<S> Clone for Endpoints<S> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<S> fmt::Debug for Endpoints<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with(|members| {
            f.debug_list().entries(members.iter().map(|member| &member.instance.address)).finish()
        })
    }
}

// ===== impl Member =====

impl<S> Member<S> {
    /// Returns the instance.
    #[must_use]
    pub fn instance(&self) -> &Instance {
        &self.instance
    }

    /// Returns the endpoint.
    #[must_use]
    pub const fn endpoint(&self) -> &S {
        &self.endpoint
    }
}
