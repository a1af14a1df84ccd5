use std::sync::{
    OnceLock,
    atomic::{AtomicUsize, Ordering},
};

/// A map that only grows, to a bound, and is read without a lock.
///
/// Open addressing with linear probing: a slot is written once and never
/// cleared, so two threads that look for one key walk the same slots and meet
/// at the same one.
pub(crate) struct Table<K, V> {
    slots: Box<[OnceLock<(K, V)>]>,
    len: AtomicUsize,
    limit: usize,
}

/// Where an entry stands. It never moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot(pub(crate) usize);

// ===== impl Table =====

impl<K, V> Table<K, V> {
    /// Makes room for `limit` entries, and as many again so that walks stay
    /// short.
    pub(crate) fn new(limit: usize) -> Self {
        let slots = (limit * 2).next_power_of_two();
        let slots = (0..slots).map(|_| OnceLock::new()).collect();
        Self { slots, len: AtomicUsize::new(0), limit }
    }

    pub(crate) fn at(&self, slot: Slot) -> Option<&(K, V)> {
        self.slots.get(slot.0)?.get()
    }

    /// Finds the entry whose key `is` the one that hashes to `hash`.
    pub(crate) fn find(&self, hash: u64, is: impl Fn(&K) -> bool) -> Option<Slot> {
        self.walk(hash)
            .map_while(|slot| self.at(slot).map(|(key, _)| (slot, key)))
            .find_map(|(slot, key)| is(key).then_some(slot))
    }

    /// Finds that entry, or makes it: `None` where there are `limit` others,
    /// or as many fewer as are to stay `spare`.
    pub(crate) fn find_or_insert(
        &self,
        hash: u64,
        is: impl Fn(&K) -> bool,
        spare: usize,
        make: impl FnOnce() -> (K, V),
    ) -> Option<Slot> {
        if let Some(slot) = self.find(hash, &is) {
            return Some(slot);
        }
        // Racing threads may go over by one each, for which there is room.
        if self.len.load(Ordering::Relaxed) + spare >= self.limit {
            return None;
        }
        let mut entry = make();
        for slot in self.walk(hash) {
            match self.slots[slot.0].set(entry) {
                Ok(()) => {
                    self.len.fetch_add(1, Ordering::Relaxed);
                    return Some(slot);
                }
                Err(back) => entry = back,
            }
            if self.at(slot).is_some_and(|(key, _)| is(key)) {
                return Some(slot);
            }
        }
        None
    }

    #[expect(clippy::cast_possible_truncation, reason = "a hash has bits to spare")]
    fn walk(&self, hash: u64) -> impl Iterator<Item = Slot> + use<K, V> {
        let mask = self.slots.len() - 1;
        let start = hash as usize;
        (0..self.slots.len()).map(move |step| Slot(start.wrapping_add(step) & mask))
    }
}

/// Hashes a key: a number, and perhaps a text, eight bytes at a time.
///
/// The keys are the program's own names, and there is a bound on them, so
/// nobody gains by collisions. The multiplier is 2^64 by the golden ratio
/// (Knuth's multiplicative hashing); it moves entropy up, the last shift moves
/// it down again to where the slot is read.
pub(crate) fn hash(number: u64, text: &[u8]) -> u64 {
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| (hash.rotate_left(29) ^ word).wrapping_mul(MULTIPLIER);
    let hash = text.chunks(8).fold(mix(0, number), |hash, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mix(hash, u64::from_le_bytes(word))
    });
    hash ^ (hash >> 32)
}

#[cfg(test)]
mod tests {
    use super::{Table, hash};
    use std::{collections::HashSet, thread};

    fn insert(table: &Table<u8, ()>, key: u8, spare: usize) -> Option<usize> {
        table
            .find_or_insert(hash(key.into(), &[]), |other| *other == key, spare, || (key, ()))
            .map(|slot| slot.0)
    }

    #[test]
    fn finds_what_was_inserted() {
        let table = Table::new(8);
        let slot = insert(&table, 7, 0);
        assert!(slot.is_some());
        assert_eq!(insert(&table, 7, 0), slot);
        assert_eq!(table.find(hash(7, &[]), |key| *key == 7).map(|slot| slot.0), slot);
        assert_eq!(table.find(hash(8, &[]), |key| *key == 8), None);
    }

    #[test]
    fn keys_that_collide_have_slots_of_their_own() {
        let table = Table::new(4);
        let slots: HashSet<_> = (0..4_u8)
            .map(|key| table.find_or_insert(0, |other| *other == key, 0, || (key, ())))
            .map(|slot| slot.map(|slot| slot.0))
            .collect();
        assert_eq!(slots.len(), 4);
        assert!(!slots.contains(&None));
    }

    #[test]
    fn takes_no_more_than_its_limit_and_keeps_what_is_spared() {
        let table = Table::new(4);
        assert!((0..2).all(|key| insert(&table, key, 2).is_some()));
        assert_eq!(insert(&table, 2, 2), None);
        assert!((2..4).all(|key| insert(&table, key, 0).is_some()));
        assert_eq!(insert(&table, 4, 0), None);
        assert!(insert(&table, 0, 2).is_some(), "what is there is found all the same");
    }

    #[test]
    fn threads_that_race_meet_at_one_slot() {
        let table = Table::new(64);
        let slots: Vec<Vec<_>> = thread::scope(|scope| {
            let racers: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..32).map(|key| insert(&table, key, 0)).collect()))
                .collect();
            racers.into_iter().map(|racer| racer.join().expect("no racer panics")).collect()
        });
        assert!(slots.windows(2).all(|pair| pair[0] == pair[1]));
    }
}
