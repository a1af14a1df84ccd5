use kit_endpoint::{Inspect, Inspector, Kind};
use std::{
    fmt,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};
use tokio::time::Instant;

/// How many calls are logged of those that come in one second: the first so many, and
/// of the others one in so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    first: u32,
    then: Option<NonZeroU32>,
}

/// Which calls are logged: a bound for how much a log grows by traffic.
///
/// Calls are counted for each route and each second, successes apart from the
/// caller's mistakes, and both from failures at warn and at error level. Of successes
/// as many are logged as the [`Rate`] says; of all others all, up to a rate of their
/// own, by default the first [`FAILURES`](Self::FAILURES) of a second and then one in
/// a hundred. A line says in `left_out` how many of its like were not logged since the
/// last one that was. All of them: [`Inspect`].
///
/// The memory is [`PLACES`](Self::PLACES) places of 16 bytes, whatever comes; routes
/// that fall on one place share its rate, so that of each less is logged. A decision is
/// an atomic operation or two. Clones are the same sampling.
///
/// ```
/// use kit_trace::log::{LogLayer, Rate, Sampling};
///
/// // Ten a second of each route, and of more than that one in a hundred.
/// let layer = LogLayer::new("greeting").sampling(Sampling::new(Rate::first(10).then_one_in(100)));
/// # let _ = layer;
/// ```
#[derive(Clone)]
pub struct Sampling(Arc<Inner>);

struct Inner {
    successes: Rate,
    failures: Rate,
    began: Instant,
    places: Box<[Place]>,
    /// Of all time: successes, and others.
    left_out: [AtomicU64; 2],
}

#[derive(Default)]
struct Place {
    /// The second that is counted, in the upper half, and its calls so far.
    calls: AtomicU64,
    left_out: AtomicU32,
}

/// What is told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Success,
    Caller,
    Warn,
    Error,
}

// ===== impl Rate =====

impl Rate {
    /// Everything.
    pub const ALL: Self = Self::first(u32::MAX);

    /// The first `calls` of each second, and none of the others.
    #[must_use]
    pub const fn first(calls: u32) -> Self {
        Self { first: calls, then: None }
    }

    /// One in `calls` of those beyond the first; of 0, none.
    #[must_use]
    pub const fn then_one_in(mut self, calls: u32) -> Self {
        self.then = NonZeroU32::new(calls);
        self
    }

    const fn logs(self, call: u32) -> bool {
        match call.checked_sub(self.first) {
            None | Some(0) => true,
            Some(beyond) => match self.then {
                None => false,
                Some(every) => beyond % every.get() == 0,
            },
        }
    }
}

// ===== impl Sampling =====

impl Sampling {
    /// How many rates are counted at the same time.
    pub const PLACES: usize = 256;

    /// How many failures of one kind of level are logged in a second, by default.
    pub const FAILURES: u32 = 1000;

    /// Logs of successes as many as `successes` says.
    #[must_use]
    pub fn new(successes: Rate) -> Self {
        let failures = Rate::first(Self::FAILURES).then_one_in(100);
        Self::with(successes, failures, Instant::now())
    }

    /// Logs of all other calls as many as `failures` says.
    #[must_use]
    pub fn failures(self, failures: Rate) -> Self {
        Self::with(self.0.successes, failures, self.0.began)
    }

    fn with(successes: Rate, failures: Rate, began: Instant) -> Self {
        let places = (0..Self::PLACES).map(|_| Place::default()).collect();
        let left_out = [AtomicU64::new(0), AtomicU64::new(0)];
        Self(Arc::new(Inner { successes, failures, began, places, left_out }))
    }

    /// Decides of a call that ends `now`: how many of its like were left out before it,
    /// or nothing if it is left out too.
    pub(super) fn decide(&self, class: Class, route: &str, now: Instant) -> Option<u32> {
        let inner = &*self.0;
        let success = class == Class::Success;
        let rate = if success { inner.successes } else { inner.failures };
        let place = &inner.places[place(class, route)];
        let second = now.saturating_duration_since(inner.began).as_secs();
        if rate.logs(place.count(second)) {
            return Some(place.take());
        }
        inner.left_out[usize::from(!success)].fetch_add(1, Ordering::Relaxed);
        // It says so many at least.
        let _ = place
            .left_out
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |calls| calls.checked_add(1));
        None
    }
}

impl Inspect for Sampling {
    fn inspect(&self, inspector: &mut dyn Inspector) {
        let help = "Calls that were not logged, since there were many of their like.";
        for (outcome, count) in ["success", "failure"].into_iter().zip(&self.0.left_out) {
            let labels = [("outcome", outcome)];
            let count = count.load(Ordering::Relaxed);
            inspector.counter("log_calls_left_out_total", help, &labels, count);
        }
    }
}

impl fmt::Debug for Sampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sampling")
            .field("successes", &self.0.successes)
            .field("failures", &self.0.failures)
            .finish_non_exhaustive()
    }
}

/// FNV-1a, whose upper bits are folded into those that are used.
fn place(class: Class, route: &str) -> usize {
    let hash = route.bytes().fold(0xCBF2_9CE4_8422_2325_u64 ^ class as u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    let hash = (hash ^ class as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    // The upper eight bits.
    usize::from(hash.to_be_bytes()[0])
}

// ===== impl Place =====

impl Place {
    /// Counts a call, and returns which of its second it is, from 1 on.
    #[expect(clippy::cast_possible_truncation, reason = "the halves of a word")]
    fn count(&self, second: u64) -> u32 {
        let calls = self.calls.load(Ordering::Relaxed);
        if calls >> 32 == second & u64::from(u32::MAX) && calls as u32 != u32::MAX {
            // Should it be another second by now, that has one more.
            return (self.calls.fetch_add(1, Ordering::Relaxed) as u32).saturating_add(1);
        }
        if calls >> 32 == second & u64::from(u32::MAX) {
            return u32::MAX;
        }
        let first = second << 32 | 1;
        match self.calls.compare_exchange(calls, first, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => 1,
            // Somebody else began it.
            Err(_) => (self.calls.fetch_add(1, Ordering::Relaxed) as u32).saturating_add(1),
        }
    }

    fn take(&self) -> u32 {
        match self.left_out.load(Ordering::Relaxed) {
            0 => 0,
            _ => self.left_out.swap(0, Ordering::Relaxed),
        }
    }
}

// ===== impl Class =====

impl Class {
    /// The level says who must act: error for what is broken, warn for what passes and
    /// what a caller can bring about by the time it gives, info for the rest. What a
    /// layer refuses is never an error: it did what it is there for.
    pub(super) const fn of(kind: Option<Kind>, refused: bool) -> Self {
        match kind {
            None => Self::Success,
            Some(Kind::Unavailable | Kind::DeadlineExceeded) => Self::Warn,
            Some(kind) if kind.is_server() && !refused => Self::Error,
            Some(_) => Self::Caller,
        }
    }
}
