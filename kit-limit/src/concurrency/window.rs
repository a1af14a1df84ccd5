//! What calls have shown, until the algorithm hears of it.

use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// Sums that any thread adds to and one takes, without a lock.
#[derive(Debug)]
pub(crate) struct Window {
    /// How many calls, and below them how long they took in all.
    times: AtomicU64,
    /// The most calls in flight, and whether one was dropped.
    peak: AtomicU32,
}

/// What was in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) calls: u32,
    /// In nanoseconds.
    pub(crate) time: u64,
    pub(crate) in_flight: u32,
    pub(crate) dropped: bool,
}

/// Times are counted in units of sixteen nanoseconds.
const UNIT_BITS: u32 = 4;
const TIME_BITS: u32 = 44;
const TIME: u64 = (1 << TIME_BITS) - 1;
/// No call counts for more: half an hour.
const LONGEST: u64 = 1 << 37;
/// A window that is half full takes no more: the rest is room for those who add
/// at once. Its mean is right all the same.
const FULL_CALLS: u64 = 1 << (63 - TIME_BITS);
const FULL_TIME: u64 = 1 << (TIME_BITS - 1);
const DROPPED: u32 = 1 << 31;

// ===== impl Window =====

impl Window {
    pub(crate) fn new() -> Self {
        Self { times: AtomicU64::new(0), peak: AtomicU32::new(0) }
    }

    /// Adds a call that met so many in flight, itself among them. The time, in
    /// nanoseconds, may say nothing. Returns how many calls there are then, and
    /// whether it is full: then it has to be taken, however many that are.
    #[inline]
    pub(crate) fn add(&self, time: Option<u64>, in_flight: u32, dropped: bool) -> (u32, bool) {
        let flag = if dropped { DROPPED } else { 0 };
        // Before the time: who takes the time takes this too.
        let _ = self.peak.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |old| {
            let new = in_flight.max(old & !DROPPED) | flag | (old & DROPPED);
            (new != old).then_some(new)
        });
        let times = self.times.load(Ordering::Relaxed);
        match time {
            Some(time) if !is_full(times) => {
                let call = (1 << TIME_BITS) | (time >> UNIT_BITS).min(LONGEST);
                (calls(self.times.fetch_add(call, Ordering::AcqRel)) + 1, false)
            }
            _ => (calls(times), is_full(times)),
        }
    }

    /// Returns how many calls there are.
    #[inline]
    pub(crate) fn calls(&self) -> u32 {
        calls(self.times.load(Ordering::Relaxed))
    }

    /// Takes what there is, if there is a call. One thread at a time.
    pub(crate) fn take(&self) -> Option<Totals> {
        if self.calls() == 0 {
            return None;
        }
        let times = self.times.swap(0, Ordering::AcqRel);
        let peak = self.peak.swap(0, Ordering::AcqRel);
        Some(Totals {
            calls: calls(times),
            time: (times & TIME) << UNIT_BITS,
            in_flight: peak & !DROPPED,
            dropped: peak & DROPPED != 0,
        })
    }
}

#[inline]
const fn is_full(times: u64) -> bool {
    times >> TIME_BITS >= FULL_CALLS || times & TIME >= FULL_TIME
}

const fn calls(times: u64) -> u32 {
    (times >> TIME_BITS) as u32
}

// ===== impl Totals =====

impl Totals {
    /// Returns how long a call took, in nanoseconds.
    #[inline]
    pub(crate) fn mean(&self) -> u64 {
        self.time / u64::from(self.calls.max(1))
    }
}
