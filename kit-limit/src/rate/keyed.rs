use super::{
    Patience, Rate, RateLimited,
    limiter::{Limiter, Many},
    reservation::{Kept, Reservation},
};
use kit_endpoint::{Inspect, Inspector};
use std::{
    fmt,
    hash::{BuildHasher, Hash, RandomState},
    marker::PhantomData,
    sync::Arc,
};

/// A limit for each key: each caller, tenant, method. Clones are the same
/// limits.
///
/// # Memory
///
/// 16 bytes for each key of the capacity, and about a kibibyte, all of it
/// allocated when it is made; nothing is allocated after that. A key takes a
/// place only while it has something to pay off: one that was idle for as long
/// as its burst takes to come back costs nothing. Places come in sets of
/// eight, and a key's set is fixed, so some sets are full before the table is:
/// allow for twice as many keys as you expect to be active.
///
/// # When there are too many keys
///
/// If all eight places of a set are taken, the key that has the least to pay
/// off gives way, and has a whole burst again when it comes back. So whoever
/// makes up keys pushes out those that were used once, as the made-up ones
/// are, and not the heavy ones, whose limits matter: the more a key owes, the
/// longer it stays. [`evicted`](Self::evicted) counts it.
///
/// # What is not exact
///
/// Keys are told apart by 64 bits of a keyed hash (the standard library's
/// `SipHash`, under keys that are drawn for each limit): two of a million keys share a
/// limit by chance once in some forty million tables. Threads that meet at a
/// slot while it passes from one key to another may make one request each
/// count for the wrong key or not at all; for a key that keeps its slot, every
/// request counts.
pub struct KeyedRateLimit<K: ?Sized> {
    limiter: Arc<Limiter<Many>>,
    hasher: RandomState,
    key: PhantomData<fn(&K)>,
}

// ===== impl KeyedRateLimit =====

impl<K: Hash + ?Sized> KeyedRateLimit<K> {
    /// Creates limits with room for `capacity` active keys, rounded up to a
    /// multiple of eight. `name` tells them from others in their facts, headers
    /// and what they say to an [`Inspector`].
    pub fn new(name: impl Into<Box<str>>, rate: Rate, capacity: usize) -> Self {
        Self {
            limiter: Arc::new(Limiter::new(name.into(), rate, Many::new(capacity))),
            hasher: RandomState::new(),
            key: PhantomData,
        }
    }

    /// Takes one request of `key`.
    ///
    /// # Errors
    ///
    /// Returns the fact that the limit is exceeded.
    #[inline]
    pub fn check(&self, key: &K) -> Result<(), RateLimited> {
        self.check_n(key, 1)
    }

    /// Takes a request of `key` of a weight, all of it or none. One of weight 0
    /// passes.
    ///
    /// # Errors
    ///
    /// Returns the fact that the limit is exceeded, or that the weight is above
    /// the burst.
    #[inline]
    pub fn check_n(&self, key: &K, weight: u32) -> Result<(), RateLimited> {
        self.limiter.check(self.place(key), weight)
    }

    /// Takes a request of `key` of a weight, now or as soon as there is room
    /// for it.
    ///
    /// # Errors
    ///
    /// Returns at once the fact that the wait would be too long, or that the
    /// weight is above the burst.
    pub fn reserve(
        &self,
        key: &K,
        weight: u32,
        patience: impl Into<Patience>,
    ) -> Result<Reservation, RateLimited> {
        let place = self.place(key);
        let keep = || Kept::Many(Arc::clone(&self.limiter), place);
        self.limiter.reserve(place, weight, patience.into(), keep)
    }

    /// Returns how many of `key` would pass now.
    #[must_use]
    pub fn available(&self, key: &K) -> u32 {
        self.limiter.available(self.place(key))
    }

    fn place(&self, key: &K) -> u64 {
        self.hasher.hash_one(key)
    }
}

impl<K: ?Sized> KeyedRateLimit<K> {
    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.limiter.policy.name
    }

    /// Returns the rate of each key.
    #[must_use]
    pub fn rate(&self) -> Rate {
        self.limiter.policy.rate
    }

    /// Returns for how many active keys there is room.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.limiter.times.table.capacity()
    }

    /// Returns how many keys gave way to others while they still had something
    /// to pay off.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.limiter.times.table.evicted()
    }

    /// Returns how many were let through, those that waited included.
    #[must_use]
    pub fn allowed(&self) -> u64 {
        self.limiter.times.sums().allowed
    }

    /// Returns how many were refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.limiter.times.sums().refused
    }

    /// Returns how many had to wait, those that gave up included.
    #[must_use]
    pub fn waited(&self) -> u64 {
        self.limiter.times.sums().waited
    }

    /// Returns how many wait now.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.limiter.times.sums().waiting()
    }
}

impl<K: ?Sized> Inspect for KeyedRateLimit<K> {
    #[expect(clippy::cast_precision_loss, reason = "it is a gauge")]
    fn inspect(&self, inspector: &mut dyn Inspector) {
        let labels = [("limit", self.name())];
        self.limiter.times.sums().inspect(self.name(), inspector);
        inspector.counter(
            "rate_limit_evicted_total",
            "Keys that gave way to others while they still had something to pay off.",
            &labels,
            self.evicted(),
        );
        inspector.gauge(
            "rate_limit_capacity",
            "Active keys for which there is room.",
            &labels,
            self.capacity() as f64,
        );
    }
}

impl<K: ?Sized> Clone for KeyedRateLimit<K> {
    fn clone(&self) -> Self {
        let (limiter, hasher) = (Arc::clone(&self.limiter), self.hasher.clone());
        Self { limiter, hasher, key: PhantomData }
    }
}

impl<K: ?Sized> fmt::Debug for KeyedRateLimit<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedRateLimit")
            .field("name", &self.name())
            .field("rate", &self.rate())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}
