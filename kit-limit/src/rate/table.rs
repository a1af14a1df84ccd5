//! Theoretical arrival times ("TAT"), one or one per key, in atomics: no lock,
//! and no allocation but the first.
//!
//! A TAT that lies in the past says nothing any more, so a slot of a table is
//! free as soon as its TAT is past: nothing has to be cleaned up. Two words
//! make a slot, the key and the TAT, and no step changes both:
//!
//! - Who takes a slot, free or by eviction, writes the TAT first: from then on
//!   nobody takes it for free.
//! - Who wrote a key looks for another slot of the same key, which another may
//!   have taken at the same time. The first of the two is the one that is found
//!   from then on, so what stands in the second is moved there.
//!
//! So a request that meets another where a slot passes from one key to another
//! may count for the wrong key, or not at all: that one, and none after it. No
//! slot is lost: whatever stands there is past some time.

use crate::sync::{AtomicU64, Ordering, fence};
use std::convert::Infallible;

/// One TAT, in nanoseconds; 0 if there is none.
#[derive(Debug)]
pub(crate) struct Tat(AtomicU64);

/// A TAT for each of many keys, in sets of `WAYS` slots.
#[derive(Debug)]
pub(crate) struct Table<const WAYS: usize = 8> {
    sets: Box<[Set<WAYS>]>,
    evicted: AtomicU64,
}

/// The keys fill one line of the cache, and the TATs the next one.
#[derive(Debug)]
#[repr(align(128))]
struct Set<const WAYS: usize> {
    keys: [AtomicU64; WAYS],
    tats: [Tat; WAYS],
}

// ===== impl Tat =====

impl Tat {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Replaces the TAT by what `decide` makes of it.
    ///
    /// # Errors
    ///
    /// Returns the error of `decide`, which changes nothing.
    #[inline]
    pub(crate) fn update<T, E>(&self, decide: impl Fn(u64) -> Result<(T, u64), E>) -> Result<T, E> {
        let mut tat = self.get();
        loop {
            let (value, next) = decide(tat)?;
            match self.replace(tat, next) {
                Ok(()) => return Ok(value),
                Err(other) => tat = other,
            }
        }
    }

    /// Replaces the TAT if it still is `old`.
    ///
    /// # Errors
    ///
    /// Returns what it is instead.
    #[inline]
    pub(crate) fn replace(&self, old: u64, new: u64) -> Result<(), u64> {
        self.0.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire).map(drop)
    }
}

// ===== impl Table =====

impl<const WAYS: usize> Table<WAYS> {
    /// Makes room for `capacity` keys, rounded up to whole sets.
    pub(crate) fn new(capacity: usize) -> Self {
        let sets = capacity.div_ceil(WAYS).max(1);
        Self { sets: (0..sets).map(|_| Set::new()).collect(), evicted: AtomicU64::new(0) }
    }

    pub(crate) const fn capacity(&self) -> usize {
        self.sets.len() * WAYS
    }

    /// Returns how many keys gave way while they still owed something.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// Returns the TAT of `key`; 0 if there is none.
    pub(crate) fn get(&self, key: u64) -> u64 {
        let (set, key) = self.set(key);
        find(&set.keys(), key).map_or(0, |place| set.tats[place].get())
    }

    /// Replaces the TAT of `key` by what `decide` makes of it. If the set is
    /// full of others whose TAT is after `now`, the one whose TAT is the
    /// earliest gives way.
    ///
    /// # Errors
    ///
    /// Returns the error of `decide`, which changes nothing.
    #[inline]
    pub(crate) fn update<T, E>(
        &self,
        key: u64,
        now: u64,
        decide: impl Fn(u64) -> Result<(T, u64), E>,
    ) -> Result<T, E> {
        let (set, key) = self.set(key);
        loop {
            // Both lines at once: memory answers in the time of one.
            let _ = set.tats[0].get();
            let keys = set.keys();
            if let Some(place) = find(&keys, key) {
                return set.tats[place].update(decide);
            }
            let (value, next) = decide(0)?;
            // Or another was faster: look again.
            if let Ok(owed) = set.insert(&keys, key, next, now) {
                self.evicted.fetch_add(owed.into(), Ordering::Relaxed);
                return Ok(value);
            }
        }
    }

    /// Replaces the TAT of `key` if it still is `old`.
    pub(crate) fn replace(&self, key: u64, old: u64, new: u64) {
        let (set, key) = self.set(key);
        if let Some(place) = find(&set.keys(), key) {
            let _ = set.tats[place].replace(old, new);
        }
    }

    /// Returns the set of `key`, and the key as it stands there: never 0.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "it is less than the number of sets")]
    fn set(&self, key: u64) -> (&Set<WAYS>, u64) {
        // By the upper bits, for any number of sets (Lemire's reduction).
        let index = (u128::from(key) * self.sets.len() as u128) >> 64;
        (&self.sets[index as usize], key.max(1))
    }
}

// ===== impl Set =====

impl<const WAYS: usize> Set<WAYS> {
    fn new() -> Self {
        Self {
            keys: std::array::from_fn(|_| AtomicU64::new(0)),
            tats: std::array::from_fn(|_| Tat::new()),
        }
    }

    #[inline]
    fn keys(&self) -> [u64; WAYS] {
        std::array::from_fn(|place| self.keys[place].load(Ordering::Acquire))
    }

    /// Puts `key` into a free place, or into that of who owes the least, and
    /// says whether that one still owed something. `keys` are those that were
    /// seen before: what they owe is read after.
    ///
    /// # Errors
    ///
    /// Another was faster: look again.
    #[cold]
    fn insert(&self, keys: &[u64; WAYS], key: u64, tat: u64, now: u64) -> Result<bool, ()> {
        let (mut place, mut least) = (0, u64::MAX);
        for (at, tat) in self.tats.iter().enumerate() {
            let tat = tat.get();
            if tat < least {
                (place, least) = (at, tat);
            }
            if tat <= now {
                break;
            }
        }
        self.tats[place].replace(least, tat).map_err(drop)?;
        // If it is not the old one any more, another evicted us already.
        let _ = self.keys[place].compare_exchange(
            keys[place],
            key,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        // Of two that write the same key, one at least sees both.
        fence(Ordering::SeqCst);
        self.join(key, now);
        Ok(least > now)
    }

    /// Moves what a second slot of `key` owes to the first one.
    fn join(&self, key: u64, now: u64) {
        let mut places = self.keys().into_iter().enumerate().filter(|(_, other)| *other == key);
        let (Some((first, _)), Some((second, _))) = (places.next(), places.next()) else { return };
        let owed = loop {
            let tat = self.tats[second].get();
            // What stands there may be another's by now: who takes a slot writes the
            // TAT first.
            if self.keys[second].load(Ordering::Acquire) != key {
                return;
            }
            // Only one takes it from there.
            if self.tats[second].replace(tat, 0).is_ok() {
                break tat.saturating_sub(now);
            }
        };
        let _ = self.tats[first].update(|tat| Ok::<_, Infallible>(((), tat.max(now) + owed)));
    }
}

/// Returns the first place of `key`, without a branch for each that is not.
#[inline]
fn find<const WAYS: usize>(keys: &[u64; WAYS], key: u64) -> Option<usize> {
    let found = keys.iter().rev().fold(0_u32, |found, other| found << 1 | u32::from(*other == key));
    (found != 0).then_some(found.trailing_zeros() as usize)
}
