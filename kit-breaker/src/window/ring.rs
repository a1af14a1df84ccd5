//! The last calls, each in a place of its own.

use crate::sync::{Apart, AtomicU32, AtomicU64, Ordering};

/// What the last so many calls showed, without a lock.
///
/// A call takes the oldest one's place. The sums are kept beside the places, and
/// are exact as soon as nobody is amid a record: a bad call adds itself before it
/// takes a place, and is taken off by who takes that place from it. Each word
/// carries its era, so that a call of an era that is over changes nothing.
#[derive(Debug)]
pub(crate) struct Ring {
    /// The era, and where the next call goes: up to twice the places, so that it
    /// shows whether each was taken once.
    head: Apart<AtomicU64>,
    /// The era, the failures and the slow ones.
    sums: Apart<AtomicU64>,
    /// The era, shortened, and whether the call failed or was slow.
    places: Box<[AtomicU32]>,
}

/// The most calls of a ring: then the sums of all, and of those that are amid a
/// record, fit sixteen bits.
pub(crate) const MOST: u32 = 1 << 15;

const FAILED: u32 = 1;
const SLOW: u32 = 2;
const BAD: u32 = FAILED | SLOW;

// ===== impl Ring =====

impl Ring {
    pub(crate) fn new(calls: u32) -> Self {
        let places = (0..calls.clamp(1, MOST)).map(|_| AtomicU32::new(0)).collect();
        Self { head: Apart(AtomicU64::new(0)), sums: Apart(AtomicU64::new(0)), places }
    }

    /// Counts a call of `era` and returns the calls, the failures and the slow
    /// ones; nothing if the era is over.
    #[inline]
    pub(crate) fn record(&self, era: u32, failed: bool, slow: bool) -> Option<(u32, u32, u32)> {
        let many = self.many();
        if !failed && !slow && self.is_full_and_well(era, many) {
            return Some((many, 0, 0));
        }
        let next = |head| {
            let (of, next) = parts(head);
            let after = if next + 1 == 2 * many { many } else { next + 1 };
            (of == era).then(|| word(era, after))
        };
        let head = self.head.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, next).ok()?;
        let next = parts(head).1;
        let shows = (u32::from(failed) * FAILED) | (u32::from(slow) * SLOW);
        if shows != 0 && !self.change(|of| of == era, |sums| sums + weight(shows)) {
            return None;
        }
        let place = &self.places[(next % many) as usize];
        // Who was overtaken by an era takes no place in it.
        let taken = place.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |old| {
            let ahead = (old & !BAD).wrapping_sub(era << 2);
            (ahead == 0 || ahead > u32::MAX / 2).then_some(era << 2 | shows)
        });
        let old = taken.ok()?;
        if old & BAD != 0 {
            self.change(|of| of << 2 == old & !BAD, |sums| sums - weight(old & BAD));
        }
        // As in `tally`: the calls last, for who counted meanwhile counts in both.
        let (of, sums) = parts(self.sums.0.load(Ordering::Acquire));
        let calls = parts(self.head.0.load(Ordering::Acquire)).1.min(many);
        (of == era).then(|| (calls, (sums >> 16).min(calls), (sums & 0xffff).min(calls)))
    }

    /// Says whether each place has a call of `era` and none a bad one: then one more
    /// that went well would change nothing, but for which of them is the oldest. So
    /// nothing is written while all is well.
    #[inline]
    fn is_full_and_well(&self, era: u32, many: u32) -> bool {
        let (of, next) = parts(self.head.0.load(Ordering::Acquire));
        of == era && next >= many && self.sums.0.load(Ordering::Acquire) == word(era, 0)
    }

    /// Returns the calls, the failures and the slow ones.
    pub(crate) fn tally(&self) -> (u32, u32, u32) {
        let sums = parts(self.sums.0.load(Ordering::Acquire)).1;
        let calls = parts(self.head.0.load(Ordering::Acquire)).1.min(self.many());
        (calls, (sums >> 16).min(calls), (sums & 0xffff).min(calls))
    }

    /// Forgets all calls; those that come are of `era`.
    pub(crate) fn begin(&self, era: u32) {
        self.sums.0.swap(word(era, 0), Ordering::AcqRel);
        self.head.0.swap(word(era, 0), Ordering::AcqRel);
    }

    fn change(&self, of: impl Fn(u32) -> bool, to: impl Fn(u32) -> u32) -> bool {
        let changed = self.sums.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |old| {
            let (era, sums) = parts(old);
            of(era).then(|| word(era, to(sums)))
        });
        changed.is_ok()
    }

    #[expect(clippy::cast_possible_truncation, reason = "at most MOST")]
    const fn many(&self) -> u32 {
        self.places.len() as u32
    }
}

/// What a call adds to the sums.
const fn weight(shows: u32) -> u32 {
    (shows & FAILED) << 16 | (shows & SLOW) >> 1
}

#[inline]
const fn word(era: u32, low: u32) -> u64 {
    (era as u64) << 32 | low as u64
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the halves of the word")]
const fn parts(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}
