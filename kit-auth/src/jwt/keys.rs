use super::KeySet;
use arc_swap::ArcSwapOption;
use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout},
};

/// How long a request waits for keys that may have come with its own.
const WAIT: Duration = Duration::from_secs(2);
/// How many may.
const MOST_WAITING: usize = 1000;

/// The keys that tokens are verified with now. Clones share them, and see at once
/// that they have changed.
#[derive(Clone)]
pub struct Keys(Arc<Inner>);

struct Inner {
    current: ArcSwapOption<KeySet>,
    /// Grows when a key is withdrawn.
    generation: AtomicU64,
    /// What is known of the source, if they have one.
    looks: Mutex<Looks>,
    wanted: Notify,
    /// How many looks at the source are over.
    over: watch::Sender<u64>,
}

#[derive(Default)]
struct Looks {
    /// There is a source, and at most how often it is asked for an unknown key.
    interval: Option<Duration>,
    /// When it was asked for one last.
    asked: Option<Instant>,
    is_asked: bool,
    has_failed: bool,
}

/// What comes of asking for a key that is not known.
pub(super) enum Look {
    /// It is being looked for: this ends with it, and says whether that worked.
    Asked(watch::Receiver<u64>),
    /// It was, a moment ago.
    TooSoon,
    /// It was, and the source was not to be had.
    Failed,
}

// ===== impl Keys =====

impl Keys {
    /// Has no keys yet: until they are [set](Self::set) each token is answered
    /// with [`Unavailable`](crate::Reason::Unavailable).
    #[must_use]
    pub fn empty() -> Self {
        Self(Arc::new(Inner {
            current: ArcSwapOption::empty(),
            generation: AtomicU64::new(0),
            looks: Mutex::default(),
            wanted: Notify::new(),
            over: watch::Sender::new(0),
        }))
    }

    /// Takes other keys from now on.
    pub fn set(&self, keys: KeySet) {
        let keys = Arc::new(keys);
        let old = self.0.current.swap(Some(Arc::clone(&keys)));
        if old.is_none_or(|old| !keys.has_all_of(&old)) {
            self.0.generation.fetch_add(1, Ordering::Release);
        }
    }

    /// Has no keys from now on.
    pub fn clear(&self) {
        self.0.current.store(None);
        self.0.generation.fetch_add(1, Ordering::Release);
    }

    /// Returns the keys of now.
    #[must_use]
    pub fn current(&self) -> Option<Arc<KeySet>> {
        self.0.current.load_full()
    }

    /// Changes when a key was withdrawn: what was verified before is to be looked
    /// at anew.
    pub(super) fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// Lets `f` have the keys of now, if there are any.
    pub(super) fn with<T>(&self, f: impl FnOnce(Option<&KeySet>) -> T) -> T {
        f(self.0.current.load().as_deref())
    }

    fn looks(&self) -> MutexGuard<'_, Looks> {
        self.0.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a source now, which is asked for an unknown key so often at most.
    pub(super) fn is_fed(&self, interval: Duration) {
        self.looks().interval = Some(interval);
    }

    /// Asks the source for a key that is not known, if there is one.
    pub(super) fn look(&self) -> Option<Look> {
        let mut looks = self.looks();
        let interval = looks.interval?;
        let now = Instant::now();
        if !looks.is_asked {
            let is_soon = looks.asked.is_some_and(|asked| now < asked + interval);
            if is_soon {
                return Some(if looks.has_failed { Look::Failed } else { Look::TooSoon });
            }
            (looks.is_asked, looks.asked) = (true, Some(now));
            self.0.wanted.notify_one();
        }
        // Each holds its request: those who are too many may come again.
        if self.0.over.receiver_count() >= MOST_WAITING {
            return Some(Look::Failed);
        }
        // Within the lock, so that its end is not missed.
        Some(Look::Asked(self.0.over.subscribe()))
    }

    /// Waits for a look to be over, and says whether it worked.
    pub(super) async fn looked(&self, mut over: watch::Receiver<u64>) -> bool {
        let is_over = timeout(WAIT, over.changed()).await.is_ok_and(|changed| changed.is_ok());
        is_over && !self.looks().has_failed
    }

    /// Waits until somebody asks.
    pub(super) async fn wanted(&self) {
        self.0.wanted.notified().await;
    }

    /// A look at the source is over.
    pub(super) fn look_is_over(&self, has_failed: bool) {
        let mut looks = self.looks();
        (looks.is_asked, looks.has_failed) = (false, has_failed);
        self.0.over.send_modify(|over| *over += 1);
    }

    /// Nobody looks at the source any more.
    pub(super) fn is_fed_no_more(&self) {
        self.looks().interval = None;
        self.look_is_over(true);
    }
}

impl From<KeySet> for Keys {
    fn from(keys: KeySet) -> Self {
        let own = Self::empty();
        own.set(keys);
        own
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("current", &self.current()).finish()
    }
}
