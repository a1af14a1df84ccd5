//! The algorithm, by governor, over times that we keep.

use super::{
    Patience, Rate, RateLimited,
    error::{Bound, Policy},
    reservation::{Kept, Reservation},
    table::{Table, Tat},
};
use crate::sync::{AtomicU64, Ordering};
use governor::{
    InsufficientCapacity, Quota, RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{NotKeyed, StateStore},
};
use kit_endpoint::Inspector;
use std::{cell::Cell, num::NonZeroU32, sync::Arc, time::Duration};
use tokio::time::Instant;

/// Where times are kept: under a place, if there is more than one.
pub(super) trait Times {
    type Place: Copy;

    fn get(&self, place: Self::Place) -> u64;

    fn update<T, E>(
        &self,
        place: Self::Place,
        now: u64,
        decide: impl Fn(u64) -> Result<(T, u64), E>,
    ) -> Result<T, E>;

    fn replace(&self, place: Self::Place, old: u64, new: u64);

    fn counts(&self, place: Self::Place) -> &Counts;
}

/// The time and its counts share a line: who writes one writes the other.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct One {
    tat: Tat,
    counts: Counts,
}

#[derive(Debug)]
pub(super) struct Many {
    pub(super) table: Table,
    /// By key, so that threads do not meet here who do not meet in the table.
    counts: [Apart; 8],
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Apart(Counts);

#[derive(Debug, Default)]
pub(super) struct Counts {
    allowed: AtomicU64,
    refused: AtomicU64,
    waited: AtomicU64,
    /// Of those that waited: who does so no more.
    through: AtomicU64,
}

/// What a limit has done.
#[derive(Debug, Default)]
pub(super) struct Sums {
    pub(super) allowed: u64,
    pub(super) refused: u64,
    pub(super) waited: u64,
    through: u64,
}

/// The generic cell rate algorithm over some times.
#[derive(Debug)]
pub(super) struct Limiter<T> {
    pub(super) policy: Arc<Policy>,
    quota: Quota,
    /// From which times are counted.
    began: Instant,
    pub(super) times: T,
}

/// A place that is taken, from when on, and the time that stands there.
struct Taken {
    at: u64,
    tat: u64,
}

#[derive(Clone, Copy)]
enum Refusal {
    Until(u64),
    Never,
}

/// The clock of one decision: it stands still.
struct Stopped(Nanos);

/// The state of one decision, in times from `at` on: a time before that is
/// as none.
struct State<'a, T: Times> {
    times: &'a T,
    place: T::Place,
    now: u64,
    at: u64,
    /// What was stored.
    tat: Cell<u64>,
}

// ===== impl Times =====

impl One {
    pub(super) fn new() -> Self {
        Self { tat: Tat::new(), counts: Counts::default() }
    }

    pub(super) fn sums(&self) -> Sums {
        Sums::default().and(&self.counts)
    }
}

impl Times for One {
    type Place = ();

    #[inline]
    fn get(&self, (): ()) -> u64 {
        self.tat.get()
    }

    #[inline]
    fn update<T, E>(
        &self,
        (): (),
        _: u64,
        decide: impl Fn(u64) -> Result<(T, u64), E>,
    ) -> Result<T, E> {
        self.tat.update(decide)
    }

    fn replace(&self, (): (), old: u64, new: u64) {
        let _ = self.tat.replace(old, new);
    }

    #[inline]
    fn counts(&self, (): ()) -> &Counts {
        &self.counts
    }
}

impl Many {
    pub(super) fn new(capacity: usize) -> Self {
        let counts = std::array::from_fn(|_| Apart::default());
        Self { table: Table::new(capacity), counts }
    }

    pub(super) fn sums(&self) -> Sums {
        self.counts.iter().fold(Sums::default(), |sums, counts| sums.and(&counts.0))
    }
}

impl Times for Many {
    type Place = u64;

    #[inline]
    fn get(&self, place: u64) -> u64 {
        self.table.get(place)
    }

    #[inline]
    fn update<T, E>(
        &self,
        place: u64,
        now: u64,
        decide: impl Fn(u64) -> Result<(T, u64), E>,
    ) -> Result<T, E> {
        self.table.update(place, now, decide)
    }

    fn replace(&self, place: u64, old: u64, new: u64) {
        self.table.replace(place, old, new);
    }

    #[inline]
    fn counts(&self, place: u64) -> &Counts {
        &self.counts[(place & 7) as usize].0
    }
}

// ===== impl Sums =====

impl Sums {
    fn and(mut self, counts: &Counts) -> Self {
        // Before those that began to wait: there are never more of them.
        self.through += counts.through.load(Ordering::Acquire);
        self.waited += counts.waited.load(Ordering::Acquire);
        self.allowed += counts.allowed.load(Ordering::Relaxed);
        self.refused += counts.refused.load(Ordering::Relaxed);
        self
    }

    pub(super) const fn waiting(&self) -> u64 {
        self.waited.saturating_sub(self.through)
    }

    #[expect(clippy::cast_precision_loss, reason = "it is a gauge")]
    pub(super) fn inspect(&self, name: &str, inspector: &mut dyn Inspector) {
        let labels = [("limit", name)];
        for (name, help, value) in [
            ("rate_limit_allowed_total", "Requests that were let through.", self.allowed),
            ("rate_limit_refused_total", "Requests that were refused.", self.refused),
            ("rate_limit_waited_total", "Requests that had to wait.", self.waited),
        ] {
            inspector.counter(name, help, &labels, value);
        }
        let waiting = self.waiting() as f64;
        inspector.gauge("rate_limit_waiting", "Requests that wait.", &labels, waiting);
    }
}

// ===== impl Limiter =====

impl<T: Times> Limiter<T> {
    pub(super) fn new(name: Box<str>, rate: Rate, times: T) -> Self {
        let policy = Arc::new(Policy { name, rate });
        Self { policy, quota: rate.quota(), began: Instant::now(), times }
    }

    #[inline]
    pub(super) fn check(&self, place: T::Place, weight: u32) -> Result<(), RateLimited> {
        let counts = self.times.counts(place);
        let Some(weight) = NonZeroU32::new(weight) else {
            counts.allowed.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        };
        let now = self.at(Instant::now());
        match self.decide(place, weight, now, now) {
            Ok(_) => {
                counts.allowed.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(refusal) => Err(self.refuse(counts, weight, now, refusal, Bound::Refusing)),
        }
    }

    pub(super) fn reserve(
        &self,
        place: T::Place,
        weight: u32,
        patience: Patience,
        keep: impl FnOnce() -> Kept,
    ) -> Result<Reservation, RateLimited> {
        let counts = self.times.counts(place);
        let Some(weight) = NonZeroU32::new(weight) else {
            counts.allowed.fetch_add(1, Ordering::Relaxed);
            return Ok(Reservation::at_once());
        };
        let instant = Instant::now();
        let now = self.at(instant);
        let (longest, bound) = patience.from(instant);
        match self.take(place, weight, now, nanos(longest)) {
            Ok(Taken { at, .. }) if at == now => {
                counts.allowed.fetch_add(1, Ordering::Relaxed);
                Ok(Reservation::at_once())
            }
            Ok(Taken { at, tat }) => {
                counts.waited.fetch_add(1, Ordering::Release);
                let at = self.began + Duration::from_nanos(at);
                let before = tat.saturating_sub(self.policy.rate.cost(weight));
                Ok(Reservation::waiting(at, keep(), tat, before))
            }
            Err(refusal) => Err(self.refuse(counts, weight, now, refusal, bound)),
        }
    }

    /// Takes a place at `now`, or the first one that is at most `longest` later.
    fn take(
        &self,
        place: T::Place,
        weight: NonZeroU32,
        now: u64,
        longest: u64,
    ) -> Result<Taken, Refusal> {
        let mut at = now;
        loop {
            match self.decide(place, weight, now, at) {
                Ok(tat) => return Ok(Taken { at, tat }),
                // The algorithm knows the first instant at which it would say
                // yes. So ask as if it were then; others may have come between.
                Err(Refusal::Until(later)) if later - now <= longest => at = later,
                Err(refusal) => return Err(refusal),
            }
        }
    }

    /// Asks whether a request passes at an instant, which may be after `now`,
    /// and takes its place if so. Returns the time that stands there then.
    #[inline]
    fn decide(
        &self,
        place: T::Place,
        weight: NonZeroU32,
        now: u64,
        at: u64,
    ) -> Result<u64, Refusal> {
        let state = State { times: &self.times, place, now, at, tat: Cell::new(0) };
        // The limiter is a value of a few words, made for the one decision.
        let limiter = RateLimiter::<_, _, _, NoOpMiddleware<Nanos>>::new(
            self.quota,
            state,
            Stopped(Nanos::new(at)),
        );
        match limiter.check_n(weight) {
            Ok(Ok(())) => Ok(limiter.into_state_store().tat.get()),
            Ok(Err(refusal)) => Err(Refusal::Until(refusal.earliest_possible().as_u64())),
            Err(InsufficientCapacity(_)) => Err(Refusal::Never),
        }
    }

    #[cold]
    fn refuse(
        &self,
        counts: &Counts,
        weight: NonZeroU32,
        now: u64,
        refusal: Refusal,
        bound: Bound,
    ) -> RateLimited {
        counts.refused.fetch_add(1, Ordering::Relaxed);
        match refusal {
            Refusal::Until(at) => {
                let wait = Duration::from_nanos(at - now);
                RateLimited::exceeded(&self.policy, weight.get(), wait, bound)
            }
            Refusal::Never => RateLimited::too_heavy(&self.policy, weight.get()),
        }
    }

    /// Lets one through that waited.
    pub(super) fn let_through(&self, place: T::Place) {
        let counts = self.times.counts(place);
        counts.allowed.fetch_add(1, Ordering::Relaxed);
        counts.through.fetch_add(1, Ordering::Release);
    }

    /// Gives back what one took that waits no more, if nobody took after it.
    pub(super) fn give_back(&self, place: T::Place, tat: u64, before: u64) {
        self.times.replace(place, tat, before);
        self.times.counts(place).through.fetch_add(1, Ordering::Release);
    }

    pub(super) fn available(&self, place: T::Place) -> u32 {
        let now = self.at(Instant::now());
        let owed = self.times.get(place).saturating_sub(now);
        let interval = self.policy.rate.cost(NonZeroU32::MIN);
        let spent = u32::try_from(owed.div_ceil(interval)).unwrap_or(u32::MAX);
        self.policy.rate.burst_size().saturating_sub(spent)
    }

    /// Returns the nanoseconds from the beginning to `instant`.
    #[inline]
    fn at(&self, instant: Instant) -> u64 {
        nanos(instant.saturating_duration_since(self.began))
    }
}

/// Returns the nanoseconds of `duration`, at most a century.
#[inline]
fn nanos(duration: Duration) -> u64 {
    const CENTURY: u64 = 100 * 365 * 86_400;
    match duration.as_secs() {
        seconds @ ..CENTURY => seconds * 1_000_000_000 + u64::from(duration.subsec_nanos()),
        _ => CENTURY * 1_000_000_000,
    }
}

// ===== impl Clock, StateStore =====

impl Clock for Stopped {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0
    }
}

impl<T: Times> StateStore for State<'_, T> {
    type Key = NotKeyed;

    #[inline]
    fn measure_and_replace<V, F, E>(&self, _: &NotKeyed, decide: F) -> Result<V, E>
    where
        F: Fn(Option<Nanos>) -> Result<(V, Nanos), E>,
    {
        self.times.update(self.place, self.now, |tat| {
            let owed = tat.checked_sub(self.at).filter(|owed| *owed > 0);
            let (value, next) = decide(owed.map(Nanos::new))?;
            let tat = self.at + next.as_u64();
            self.tat.set(tat);
            Ok((value, tat))
        })
    }
}
