//! What every call passes: one word.

use crate::sync::{Apart, AtomicU64, Ordering};

/// What a call meets: the failures in a row so far, or a mark, and above them
/// the era, which counts how often that began anew.
#[derive(Debug)]
pub(crate) struct Gate(Apart<AtomicU64>);

/// What a call finds at the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    /// Calls pass and are judged; so many failed in a row.
    Judged(u32),
    /// Calls pass and are counted, and nothing comes of it.
    Counted,
    /// Calls pass.
    Free,
    /// The rest stands behind the lock.
    Shut,
}

const SHUT: u32 = u32::MAX;
const FREE: u32 = u32::MAX - 1;
const COUNTED: u32 = u32::MAX - 2;
/// More failures in a row than this are not told from it.
pub(crate) const MOST: u32 = u32::MAX - 3;

// ===== impl Gate =====

impl Gate {
    pub(crate) fn new() -> Self {
        Self(Apart(AtomicU64::new(0)))
    }

    /// Returns the era and what a call finds.
    #[inline]
    pub(crate) fn look(&self) -> (u32, Pass) {
        parts(self.0.0.load(Ordering::Acquire))
    }

    /// Says whether calls of `era` are judged, by the last word on it.
    #[inline]
    pub(crate) fn failures(&self, era: u32) -> Option<u32> {
        match parts(self.0.0.load(Ordering::Relaxed)) {
            (now, Pass::Judged(failures)) if now == era => Some(failures),
            _ => None,
        }
    }

    /// Counts a failure of `era`; says whether it is the one at `limit`, which
    /// one call alone is told.
    pub(crate) fn fail(&self, era: u32, limit: u32) -> bool {
        let counted =
            self.0.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |old| match parts(old) {
                (now, Pass::Judged(failures)) if now == era && failures < limit => Some(old + 1),
                _ => None,
            });
        matches!(counted.map(parts), Ok((_, Pass::Judged(failures))) if failures + 1 == limit)
    }

    /// Forgets the failures of `era`, but for one at `limit`: the circuit is about
    /// to open, for that failure came first.
    pub(crate) fn forget(&self, era: u32, limit: u32) {
        let _ =
            self.0.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |old| match parts(old) {
                (now, Pass::Judged(1..)) if now == era && !at(old, limit) => Some(word(era, 0)),
                _ => None,
            });
    }

    /// Sets what calls find, and the era. Only under the circuit's lock.
    pub(crate) fn set(&self, era: u32, pass: Pass) {
        let low = match pass {
            Pass::Judged(failures) => failures,
            Pass::Counted => COUNTED,
            Pass::Free => FREE,
            Pass::Shut => SHUT,
        };
        self.0.0.swap(word(era, low), Ordering::AcqRel);
    }
}

#[inline]
const fn word(era: u32, low: u32) -> u64 {
    (era as u64) << 32 | low as u64
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the halves of the word")]
const fn parts(word: u64) -> (u32, Pass) {
    let pass = match word as u32 {
        failures @ 0..=MOST => Pass::Judged(failures),
        SHUT => Pass::Shut,
        FREE => Pass::Free,
        COUNTED => Pass::Counted,
    };
    ((word >> 32) as u32, pass)
}

const fn at(word: u64, limit: u32) -> bool {
    matches!(parts(word).1, Pass::Judged(failures) if failures >= limit)
}
