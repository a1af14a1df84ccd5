use crate::{Denied, Inspect, Inspector, Reason};
use std::{
    fmt,
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task,
    time::timeout,
};

const QUEUE: usize = 64;
const WAIT: Duration = Duration::from_secs(1);

/// Where slow hashes are checked: on Tokio's threads for what blocks, some at once,
/// while others wait for a while. Clones are the same workers.
///
/// A password that is wrong costs as much as one that is right, so anybody can make
/// them busy. What finds no place is [`Reason::Unavailable`], and told when to come
/// back.
///
/// ```
/// use kit_auth::basic::Workers;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), kit_auth::Denied> {
/// let workers = Workers::new(2);
/// assert_eq!(workers.run(|| "what takes long").await?, "what takes long");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Workers {
    slots: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    wait: Duration,
    stats: Arc<Stats>,
}

#[derive(Debug, Default)]
struct Stats {
    running: AtomicU64,
    done: AtomicU64,
    refused: AtomicU64,
}

/// A place at work, given back when the work is over, whoever asked for it.
struct Slot {
    stats: Arc<Stats>,
    _permit: OwnedSemaphorePermit,
}

// ===== impl Workers =====

impl Workers {
    /// Works on `at_once` hashes at the same time; zero acts as one. Each of argon2id
    /// takes the memory that its `m` says.
    #[must_use]
    pub fn new(at_once: usize) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(at_once.clamp(1, Semaphore::MAX_PERMITS))),
            queue: Arc::new(Semaphore::new(QUEUE)),
            wait: WAIT,
            stats: Arc::default(),
        }
    }

    /// Lets so many wait: 64 by default.
    #[must_use]
    pub fn queue(mut self, queue: usize) -> Self {
        self.queue = Arc::new(Semaphore::new(queue.min(Semaphore::MAX_PERMITS)));
        self
    }

    /// Lets them wait for so long: 1 s by default.
    #[must_use]
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Works on `job` as soon as there is a place. Dropped before, it does not begin;
    /// dropped then, it keeps its place until it is over. Needs Tokio's runtime, with
    /// its clock.
    ///
    /// # Errors
    ///
    /// [`Reason::Unavailable`], when too many wait, it waited for too long, or it
    /// panicked.
    pub async fn run<T, F>(&self, job: F) -> Result<T, Denied>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let slot = self.slot().await.ok_or_else(|| self.refused())?;
        let work = task::spawn_blocking(move || {
            let _slot = slot;
            job()
        });
        // What a panic says may be of what was hashed.
        work.await.map_err(|_| Denied::new(Reason::Unavailable).because("the check panicked"))
    }

    async fn slot(&self) -> Option<Slot> {
        let slots = Arc::clone(&self.slots);
        let permit = if let Ok(permit) = Arc::clone(&slots).try_acquire_owned() {
            permit
        } else {
            let _place = self.queue.try_acquire().ok()?;
            timeout(self.wait, slots.acquire_owned()).await.ok()?.ok()?
        };
        self.stats.running.fetch_add(1, Ordering::Relaxed);
        Some(Slot { stats: Arc::clone(&self.stats), _permit: permit })
    }

    fn refused(&self) -> Denied {
        self.stats.refused.fetch_add(1, Ordering::Relaxed);
        let denied = Denied::new(Reason::Unavailable).because("too many passwords to check");
        denied.retry_after(self.wait.max(Duration::from_secs(1)))
    }
}

impl Default for Workers {
    /// On half of the processors, so that passwords leave the others to requests.
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        Self::new(processors.div_ceil(2))
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers")
            .field("wait", &self.wait)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

/// Says how many hashes were checked, how many are, and how many requests found no
/// place.
impl Inspect for Workers {
    fn inspect(&self, inspector: &mut dyn Inspector) {
        let Stats { running, done, refused } = &*self.stats;
        let name = "auth_password_checks_total";
        let help = "Passwords to check against slow hashes, by whether they were.";
        for (outcome, count) in [("done", done), ("refused", refused)] {
            let count = count.load(Ordering::Relaxed);
            inspector.counter(name, help, &[("outcome", outcome)], count);
        }
        let help = "Passwords that are being checked against slow hashes.";
        let running = u32::try_from(running.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        inspector.gauge("auth_password_checks_running", help, &[], running.into());
    }
}

// ===== impl Slot =====

impl Drop for Slot {
    fn drop(&mut self) {
        self.stats.running.fetch_sub(1, Ordering::Relaxed);
        self.stats.done.fetch_add(1, Ordering::Relaxed);
    }
}
