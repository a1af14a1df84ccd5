//! Who is inside: what every call passes, and how exact it is.

use crate::sync::{AtomicU64, Ordering};

/// The calls in flight, and above them how many were ever let in.
#[derive(Debug)]
pub(crate) struct Gate(AtomicU64);

const BITS: u32 = 20;
const IN_FLIGHT: u64 = (1 << BITS) - 1;
/// Both halves, by one.
const ONE: u64 = (1 << BITS) + 1;
/// No limit is above it: what partitions are guaranteed beyond it must fit too.
pub(crate) const MOST: usize = 1 << (BITS - 2);

// ===== impl Gate =====

impl Gate {
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Lets one in if fewer than `limit` are; returns how many are then.
    #[inline]
    pub(crate) fn enter_below(&self, limit: usize) -> Option<usize> {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            if in_flight(word) >= limit {
                return None;
            }
            let next = word.wrapping_add(ONE);
            match self.0.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return Some(in_flight(next)),
                Err(now) => word = now,
            }
        }
    }

    /// Lets one in; returns how many are then.
    #[inline]
    pub(crate) fn enter(&self) -> usize {
        in_flight(self.0.fetch_add(ONE, Ordering::AcqRel).wrapping_add(ONE))
    }

    /// Lets one out.
    #[inline]
    pub(crate) fn leave(&self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }

    pub(crate) fn in_flight(&self) -> usize {
        in_flight(self.0.load(Ordering::Acquire))
    }

    /// Returns how many were ever let in; after many trillions it begins anew.
    pub(crate) fn admitted(&self) -> u64 {
        self.0.load(Ordering::Acquire) >> BITS
    }
}

#[inline]
const fn in_flight(word: u64) -> usize {
    (word & IN_FLIGHT) as usize
}

/// Lets one call in, by the whole's limit, or else by what its part of the whole
/// is guaranteed; returns how many are in the whole then.
#[inline]
pub(crate) fn admit(whole: &Gate, limit: usize, part: &Gate, guaranteed: usize) -> Option<usize> {
    if let Some(in_flight) = whole.enter_below(limit) {
        part.enter();
        return Some(in_flight);
    }
    part.enter_below(guaranteed)?;
    Some(whole.enter())
}
