//! Keys that come from elsewhere, and change.

use super::{BadKeySet, KeySet, Keys};
use std::{
    collections::hash_map::RandomState,
    error::Error,
    fmt,
    hash::{BuildHasher, Hasher},
    io,
    path::PathBuf,
    time::Duration,
};
use tokio::time::{Instant, timeout, timeout_at};

type BoxError = Box<dyn Error + Send + Sync>;

/// Where keys come from.
pub trait KeySource: Send + Sync + 'static {
    /// Fetches the keys of now.
    ///
    /// It may take as long as it likes: who calls it bounds it, and drops it.
    ///
    /// # Errors
    ///
    /// When they are not to be had, or no good.
    fn fetch(&self) -> impl Future<Output = Result<Fetched, FetchError>> + Send;
}

/// Keys that were fetched.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Fetched {
    /// The keys.
    pub keys: KeySet,
    /// How long they need not be fetched anew, if the source says so.
    pub fresh: Option<Duration>,
}

/// Keys are not to be had.
#[derive(Debug)]
#[non_exhaustive]
pub enum FetchError {
    /// A file cannot be read.
    #[non_exhaustive]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// They are no good.
    Keys(BadKeySet),
    /// A server answered with another status than 200.
    Status(u16),
    /// The answer is larger than a set of keys may be.
    TooLarge,
    /// The source took too long.
    TimedOut,
    /// It is something else.
    Other(BoxError),
}

/// Keys in a file (RFC 7517, section 5), which is read anew.
#[derive(Debug, Clone)]
pub struct File(PathBuf);

/// Keeps [`Keys`] as their source has them: made by [`Keys::fed_by`], and run by
/// the program.
///
/// While the source is not to be had, or has something that is no good, the keys
/// stay, for as long as they [may](Self::max_stale).
#[must_use = "keys are fetched only while this runs"]
#[derive(Debug)]
pub struct Feed<S> {
    source: S,
    keys: Keys,
    every: Duration,
    least: Duration,
    most: Duration,
    limit: Duration,
    max_stale: Duration,
    /// When they were fetched last, and well.
    good: Option<Instant>,
    /// How long they are fresh from then on, if the source said so.
    fresh: Option<Duration>,
    /// When it is gone nobody is to wait for it.
    _fed: NoMore,
}

/// What a [`Feed`] tells of.
#[derive(Debug)]
#[non_exhaustive]
pub enum Fed<'a> {
    /// The keys are others now.
    Changed,
    /// They could not be fetched, and stay.
    Failed(&'a FetchError),
    /// They could not be fetched for too long, and are given up.
    GivenUp(&'a FetchError),
}

/// How soon it is tried again, first and at last.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_mins(1);
/// What no clock of ours reaches, and may be added to.
const NEVER: Duration = Duration::from_hours(24 * 365 * 30);

// ===== impl Keys =====

impl Keys {
    /// Makes keys that `source` has, and what keeps them so: there are none until
    /// it [runs](Feed::run), or fetched them [first](Feed::first).
    pub fn fed_by<S: KeySource>(source: S) -> (Self, Feed<S>) {
        let keys = Self::empty();
        let feed = Feed {
            source,
            keys: keys.clone(),
            every: Duration::from_mins(5),
            least: Duration::from_secs(30),
            most: Duration::from_hours(24),
            limit: Duration::from_secs(5),
            max_stale: Duration::from_hours(24),
            good: None,
            fresh: None,
            _fed: NoMore(keys.clone()),
        };
        let feed = feed.unknown_key_interval(Duration::from_secs(10));
        (keys, feed)
    }
}

// ===== impl Feed =====

impl<S: KeySource> Feed<S> {
    /// Fetches so often where the source does not say how long its keys are fresh:
    /// 5 minutes by default.
    pub const fn every(mut self, interval: Duration) -> Self {
        self.every = interval;
        self
    }

    /// Fetches about no more often than `least`, and no less often than `most` and
    /// than half of what they may be [stale](Self::max_stale), whatever the source
    /// says: 30 s and 24 h by default.
    pub const fn between(mut self, least: Duration, most: Duration) -> Self {
        (self.least, self.most) = (least, most);
        self
    }

    /// Fetches for a token whose key is not known, which may be newer than the
    /// keys: no more often than this, or strangers would have the source asked; 10
    /// s by default. A request waits for it, for 2 s at most.
    pub fn unknown_key_interval(self, interval: Duration) -> Self {
        self.keys.is_fed(interval.min(NEVER));
        self
    }

    /// Lets a fetch take so long: 5 s by default.
    pub const fn fetch_timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Keeps keys that cannot be fetched anew for so long: 24 h by default. After
    /// that each token is [`Unavailable`](crate::Reason::Unavailable).
    pub const fn max_stale(mut self, age: Duration) -> Self {
        self.max_stale = age;
        self
    }

    /// Fetches the keys once: for the start of a program that is to fail without.
    ///
    /// # Errors
    ///
    /// When they are not to be had.
    pub async fn first(&mut self) -> Result<(), FetchError> {
        self.fetch().await.map(drop)
    }

    /// Says whether they have changed.
    async fn fetch(&mut self) -> Result<bool, FetchError> {
        let fetched = timeout(self.limit, self.source.fetch()).await;
        let fetched = fetched.unwrap_or(Err(FetchError::TimedOut));
        let fetched = fetched.map(|Fetched { keys, fresh }| {
            (self.good, self.fresh) = (Some(Instant::now()), fresh);
            let old = self.keys.current();
            let is_same = old.is_some_and(|old| old.is_same(&keys));
            if !is_same {
                self.keys.set(keys);
            }
            !is_same
        });
        // After the keys are there, for those who wait for them.
        self.keys.look_is_over(fetched.is_err());
        fetched
    }

    /// How long to wait after a fetch that went well.
    fn interval(&self) -> Duration {
        let bounded = |fresh: Duration| fresh.max(self.least).min(self.most.max(self.least));
        // However long they are fresh, they are fetched before they are given up.
        jittered(self.fresh.map_or(self.every, bounded).min(self.max_stale / 2).min(NEVER))
    }

    /// Fetches the keys again and again, and tells `hear` what comes of it. It
    /// never ends; dropped, it leaves the keys as they are.
    pub async fn run(mut self, hear: impl Fn(Fed<'_>)) {
        let mut failures = 0;
        let mut next = match self.good {
            Some(good) => good + self.interval(),
            None => Instant::now(),
        };
        loop {
            // It is time, or somebody asks.
            _ = timeout_at(next, self.keys.wanted()).await;
            match self.fetch().await {
                Ok(has_changed) => {
                    failures = 0;
                    if has_changed {
                        hear(Fed::Changed);
                    }
                    next = Instant::now() + self.interval();
                }
                Err(error) => {
                    let is_stale = self.good.is_some_and(|good| good.elapsed() >= self.max_stale);
                    if is_stale && self.keys.current().is_some() {
                        self.keys.clear();
                        hear(Fed::GivenUp(&error));
                    } else {
                        hear(Fed::Failed(&error));
                    }
                    let retry = FIRST_RETRY.saturating_mul(1 << failures.min(6)).min(LAST_RETRY);
                    failures += 1;
                    let mut wait = jittered(retry);
                    // Not later than they are to be given up.
                    if let Some(good) = self.good
                        && self.keys.current().is_some()
                    {
                        wait = wait.min(self.max_stale.saturating_sub(good.elapsed()));
                    }
                    next = Instant::now() + wait;
                }
            }
        }
    }
}

#[derive(Debug)]
struct NoMore(Keys);

impl Drop for NoMore {
    fn drop(&mut self) {
        self.0.is_fed_no_more();
    }
}

/// Up to a tenth less, so that many who started at once do not ask at once.
fn jittered(time: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish() >> 32;
    #[expect(clippy::cast_precision_loss, reason = "32 bits")]
    let share = random as f64 / f64::from(u32::MAX);
    time.mul_f64(1.0 - 0.1 * share)
}

// ===== impl File =====

impl File {
    /// Reads keys of this file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }
}

impl KeySource for File {
    async fn fetch(&self) -> Result<Fetched, FetchError> {
        // A small file, and local: no thread is worth it.
        let json = std::fs::read(&self.0)
            .map_err(|error| FetchError::File { path: self.0.clone(), error })?;
        let keys = KeySet::jwks(&json).map_err(FetchError::Keys)?;
        Ok(Fetched { keys, fresh: Some(Duration::from_secs(30)) })
    }
}

// ===== impl Fetched =====

impl Fetched {
    /// Keys of which the source says nothing more.
    #[must_use]
    pub const fn new(keys: KeySet) -> Self {
        Self { keys, fresh: None }
    }

    /// They need not be fetched anew for so long.
    #[must_use]
    pub const fn fresh_for(mut self, time: Duration) -> Self {
        self.fresh = Some(time);
        self
    }
}

// ===== impl FetchError =====

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, .. } => write!(f, "cannot read the keys in {}", path.display()),
            Self::Keys(bad) => bad.fmt(f),
            Self::Status(status) => write!(f, "the server of the keys answered with {status}"),
            Self::TooLarge => f.write_str("the server of the keys sent more than they can be"),
            Self::TimedOut => f.write_str("the source of the keys took too long"),
            Self::Other(_) => f.write_str("the keys are not to be had"),
        }
    }
}

impl Error for FetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::File { error, .. } => Some(error),
            Self::Other(error) => Some(&**error),
            _ => None,
        }
    }
}
