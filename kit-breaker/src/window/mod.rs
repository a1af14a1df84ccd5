//! What the last calls showed.

mod buckets;
mod ring;

pub(crate) use self::{
    buckets::Buckets,
    ring::{MOST as RING_MOST, Ring},
};
use crate::{Limits, Window};
use tokio::time::Instant;

/// What the calls of a window showed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Calls that were judged.
    pub calls: u32,
    /// Those of them that failed, or found the service overloaded.
    pub failures: u32,
    /// Those of them that were slow, well or not.
    pub slow: u32,
}

/// What a call showed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown {
    pub(crate) failed: bool,
    pub(crate) slow: bool,
}

/// The calls that the rates are of.
#[derive(Debug)]
pub(crate) enum Calls {
    /// Nobody asks for a rate.
    None,
    Last(Ring),
    Recent(Box<Recent>),
}

/// Buckets, and the clock that they go by.
#[derive(Debug)]
pub(crate) struct Recent {
    began: Instant,
    /// Nanoseconds of a bucket.
    width: u64,
    buckets: Buckets<3>,
}

const CALLS: usize = 0;
const FAILURES: usize = 1;
const SLOW: usize = 2;

/// Returns the nanoseconds since then: 64 bits of them are centuries, and quicker to
/// divide than `Duration`'s.
#[inline]
pub(crate) fn nanos_since(then: Instant, now: Instant) -> u64 {
    let since = now.saturating_duration_since(then);
    since.as_secs().saturating_mul(1_000_000_000).saturating_add(since.subsec_nanos().into())
}

// ===== impl Calls =====

impl Calls {
    pub(crate) fn new(limits: &Limits) -> Self {
        match limits.window_of_rates() {
            None => Self::None,
            Some(Window::Calls(calls)) => Self::Last(Ring::new(calls)),
            Some(Window::Time(_)) => Self::Recent(Box::new(Recent::new(limits.bucket()))),
        }
    }

    /// Says whether a call must say when it ended.
    #[inline]
    pub(crate) const fn reads_clock(&self) -> bool {
        matches!(self, Self::Recent(_))
    }

    /// Counts a call of `era` and returns what the window shows now; nothing if
    /// the era is over, or the window shows nothing bad.
    #[inline]
    pub(crate) fn record(&self, era: u32, shown: Shown, now: Option<Instant>) -> Option<Tally> {
        match (self, now) {
            (Self::Last(ring), _) => {
                let (calls, failures, slow) = ring.record(era, shown.failed, shown.slow)?;
                (failures != 0 || slow != 0).then_some(Tally { calls, failures, slow })
            }
            (Self::Recent(recent), Some(now)) => recent.record(era, shown, now),
            (Self::None | Self::Recent(_), _) => None,
        }
    }

    /// Returns what the window shows.
    pub(crate) fn tally(&self, era: u32) -> Tally {
        match self {
            Self::None => Tally::default(),
            Self::Last(ring) => {
                let (calls, failures, slow) = ring.tally();
                Tally { calls, failures, slow }
            }
            Self::Recent(recent) => recent.tally(recent.tag(era, Instant::now())),
        }
    }

    /// Forgets all calls: what is counted from now on is of `era`. Only under the
    /// circuit's lock, and before the gate says so.
    pub(crate) fn begin(&self, era: u32) {
        // Buckets part the eras by themselves.
        if let Self::Last(ring) = self {
            ring.begin(era);
        }
    }
}

// ===== impl Recent =====

impl Recent {
    fn new(width: u64) -> Self {
        Self { began: Instant::now(), width, buckets: Buckets::new() }
    }

    /// Names the bucket of a time. Eras lie further apart than a window is wide,
    /// so no bucket of one is seen in another.
    #[expect(clippy::cast_possible_truncation, reason = "names may be used again")]
    fn tag(&self, era: u32, now: Instant) -> u32 {
        let tick = (nanos_since(self.began, now) / self.width) as u32;
        let apart = Buckets::<3>::COUNT + 1;
        era.wrapping_mul(apart).wrapping_add(tick).wrapping_add(apart)
    }

    #[inline]
    fn record(&self, era: u32, shown: Shown, now: Instant) -> Option<Tally> {
        let tag = self.tag(era, now);
        // The calls first, so that no reader finds more failures than calls.
        self.buckets.add(tag, CALLS);
        if shown.failed {
            self.buckets.add(tag, FAILURES);
        }
        if shown.slow {
            self.buckets.add(tag, SLOW);
        }
        if shown.failed || shown.slow {
            self.buckets.mark(tag);
        }
        // A window without a bad call has no rate that could be too high.
        self.buckets.is_marked(tag).then(|| self.tally(tag))
    }

    fn tally(&self, tag: u32) -> Tally {
        let failures = self.buckets.sum(tag, FAILURES);
        let slow = self.buckets.sum(tag, SLOW);
        Tally { calls: self.buckets.sum(tag, CALLS), failures, slow }
    }
}

// ===== impl Tally =====

impl Tally {
    /// Returns the failures to the calls; 0 without calls.
    #[must_use]
    pub fn failure_rate(self) -> f64 {
        rate(self.failures, self.calls)
    }

    /// Returns the slow calls to the calls; 0 without calls.
    #[must_use]
    pub fn slow_rate(self) -> f64 {
        rate(self.slow, self.calls)
    }
}

fn rate(part: u32, all: u32) -> f64 {
    // Divided, not multiplied by the limit: 3 of 30 is 0.1, as it is written.
    if all == 0 { 0.0 } else { f64::from(part) / f64::from(all) }
}
