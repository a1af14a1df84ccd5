//! What was verified a moment ago, by a keyed hash of it.

use siphasher::sip128::{Hasher128, SipHasher13};
use std::{
    fmt,
    hash::{BuildHasher, Hasher, RandomState},
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

/// Entries that share a place: the oldest of them gives way.
const WAYS: usize = 4;

/// A bounded memory of what was verified.
///
/// All it knows of a secret is SipHash-1-3 of it, as the maps of std have, with 128
/// bits and by a key of its own: what is found by that is what was put there but once in 2^128. Each place
/// has a lock, held for a comparison and a clone.
pub(crate) struct Cache<V> {
    hasher: SipHasher13,
    places: Box<[Mutex<Place<V>>]>,
}

struct Place<V> {
    entries: [Option<Entry<V>>; WAYS],
    /// Which is the oldest.
    next: usize,
}

struct Entry<V> {
    tag: u128,
    generation: u64,
    until: SystemTime,
    value: V,
}

// ===== impl Cache =====

impl<V: Clone> Cache<V> {
    /// Remembers about so many, rounded up.
    pub(crate) fn new(entries: usize) -> Self {
        let places = entries.div_ceil(WAYS).clamp(1, 1 << 24).next_power_of_two();
        let place = || Mutex::new(Place { entries: [const { None }; WAYS], next: 0 });
        Self { hasher: random(), places: (0..places).map(|_| place()).collect() }
    }

    /// Returns how many it remembers.
    #[cfg(any(feature = "jwt", test))]
    pub(crate) const fn capacity(&self) -> usize {
        self.places.len() * WAYS
    }

    /// What a secret is known by.
    pub(crate) fn tag(&self, secret: &[u8]) -> u128 {
        let mut hasher = self.hasher;
        hasher.write(secret);
        hasher.finish128().as_u128()
    }

    /// Finds what is not over, and of this generation.
    pub(crate) fn get(&self, tag: u128, generation: u64, now: SystemTime) -> Option<V> {
        let place = self.place(tag).lock().unwrap_or_else(PoisonError::into_inner);
        let entry = place.entries.iter().flatten().find(|entry| entry.tag == tag)?;
        let holds = entry.generation == generation && now < entry.until;
        holds.then(|| entry.value.clone())
    }

    pub(crate) fn put(&self, tag: u128, generation: u64, until: SystemTime, value: V) {
        let entry = Some(Entry { tag, generation, until, value });
        let mut place = self.place(tag).lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |known: &Option<Entry<V>>| known.as_ref().is_some_and(|it| it.tag == tag);
        let at = place.entries.iter().position(is_it).unwrap_or_else(|| {
            let next = place.next;
            place.next = (next + 1) % WAYS;
            next
        });
        let old = std::mem::replace(&mut place.entries[at], entry);
        // What is dropped may take a while.
        drop(place);
        drop(old);
    }

    fn place(&self, tag: u128) -> &Mutex<Place<V>> {
        &self.places[tag as usize & (self.places.len() - 1)]
    }
}

impl<V> fmt::Debug for Cache<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("places", &self.places.len()).finish_non_exhaustive()
    }
}

/// A hasher by a key that nobody knows.
fn random() -> SipHasher13 {
    let mut key = [0; 16];
    if aws_lc_rs::rand::fill(&mut key).is_err() {
        // The system has no randomness: std's maps would have panicked before.
        let state = || RandomState::new().build_hasher().finish();
        return SipHasher13::new_with_keys(state(), state());
    }
    SipHasher13::new_with_key(&key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn later(seconds: u64) -> SystemTime {
        NOW + Duration::from_secs(seconds)
    }

    #[test]
    fn what_was_put_is_found_until_it_is_over() {
        let cache = Cache::new(10);
        let tag = cache.tag(b"secret");
        assert_eq!(cache.get(tag, 1, NOW), None);
        cache.put(tag, 1, later(10), "a");
        assert_eq!(cache.get(tag, 1, later(9)), Some("a"));
        assert_eq!(cache.get(tag, 1, later(10)), None);
        assert_eq!(cache.get(tag, 2, NOW), None, "of another generation");
        assert_eq!(cache.get(cache.tag(b"Secret"), 1, NOW), None);
        cache.put(tag, 2, later(10), "b");
        assert_eq!((cache.get(tag, 1, NOW), cache.get(tag, 2, NOW)), (None, Some("b")));
    }

    #[test]
    fn it_is_bounded_and_the_oldest_gives_way() {
        let cache = Cache::new(1);
        assert_eq!(cache.capacity(), WAYS);
        for value in 0..=WAYS as u128 {
            cache.put(value, 0, later(1), value);
        }
        assert_eq!(cache.get(0, 0, NOW), None);
        assert!((1..=WAYS as u128).all(|value| cache.get(value, 0, NOW) == Some(value)));
        assert_eq!(Cache::<()>::new(1000).capacity(), 1024);
    }

    #[test]
    fn each_has_a_key_of_its_own() {
        let (one, other) = (Cache::<()>::new(1), Cache::<()>::new(1));
        assert_ne!(one.tag(b"secret"), other.tag(b"secret"));
        assert_eq!(one.tag(b"secret"), one.tag(b"secret"));
    }
}
