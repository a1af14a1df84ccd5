use super::{
    BulkheadFull, Refusal,
    door::{Door, Entry},
    line::{Key, Turn},
};
use crate::{
    concurrency::{RetryAfter, part},
    sync::{AtomicU64, Ordering},
};
use kit_endpoint::{Criticality, Inspect, Inspector, Judgement, Settle};
use std::{
    borrow::Cow,
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;

/// The places of a bulkhead, and who waits for one. Clones have the same places and
/// the same line; how long the line may be, and what is told who is refused, are each
/// clone's own.
#[derive(Clone)]
pub struct Compartment {
    shared: Arc<Shared>,
    queue: usize,
    longest_wait: Duration,
    retry_after: RetryAfter,
}

struct Shared {
    name: Cow<'static, str>,
    door: Door,
    queued: AtomicU64,
    refused: [AtomicU64; Refusal::ALL.len()],
}

/// A place in a bulkhead. Dropped, it goes to who is next.
pub struct Place {
    shared: Arc<Shared>,
}

/// A call that waits for a place. Dropped, it waits no more; if its turn has come
/// meanwhile, the place goes to who is next.
pub(super) struct Wait {
    compartment: Compartment,
    /// None once it is out of the line.
    key: Option<Key>,
    until: Until,
}

/// How long a call may wait.
#[derive(Clone, Copy)]
pub(super) struct Until {
    pub(super) timeout: Option<Instant>,
    pub(super) deadline: Option<Instant>,
}

/// What a call finds.
pub(super) enum Entered {
    In(Place),
    Waits(Wait),
}

// ===== impl Compartment =====

impl Compartment {
    /// How many places there are if nobody says: resilience4j's.
    pub const DEFAULT_SIZE: usize = 25;

    /// Creates a compartment of 25 places, in which nobody waits for one. `name`
    /// tells it from others in what it says to an [`Inspector`].
    ///
    /// (As resilience4j's `Bulkhead` does by default.)
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        let shared = Shared {
            name: name.into(),
            door: Door::new(Self::DEFAULT_SIZE),
            queued: AtomicU64::new(0),
            refused: std::array::from_fn(|_| AtomicU64::new(0)),
        };
        Self {
            shared: Arc::new(shared),
            queue: 0,
            longest_wait: Duration::ZERO,
            retry_after: RetryAfter::DEFAULT,
        }
    }

    /// Has so many places. 25 by default.
    #[must_use]
    pub fn size(self, places: usize) -> Self {
        self.resize(places);
        self
    }

    /// Lets at most so many calls wait for a place, for at most so long. None by
    /// default.
    ///
    /// A queue helps with a burst that is over soon: make it no longer than what the
    /// places get done in the longest wait.
    #[must_use]
    pub const fn queue(mut self, calls: usize, longest_wait: Duration) -> Self {
        self.queue = calls;
        self.longest_wait = longest_wait;
        self
    }

    /// Asks who is refused to try again after about so long. 1 s by default.
    #[must_use]
    pub const fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after.base = after;
        self
    }

    /// Spreads that by so much to both sides: 0 to 1. 0.5 by default, and for what is
    /// no number.
    #[must_use]
    pub const fn jitter(mut self, jitter: f64) -> Self {
        self.retry_after.jitter = part(jitter, RetryAfter::DEFAULT.jitter);
        self
    }

    /// Has so many places from now on. Those who wait get what is new; of fewer,
    /// those that are taken too many are not given away again.
    pub fn resize(&self, places: usize) {
        // Twice as many must have a number.
        self.shared.door.resize(places.min(usize::MAX / 4), Instant::now());
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Returns how many places there are.
    #[must_use]
    pub fn places(&self) -> usize {
        self.shared.door.size()
    }

    /// Returns how many places are taken.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared.door.inside()
    }

    /// Returns how many calls wait for a place.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.shared.door.waiting()
    }

    /// Returns how many calls were refused, for this reason.
    #[must_use]
    pub fn refused(&self, refusal: Refusal) -> u64 {
        self.shared.refused[refusal as usize].load(Ordering::Relaxed)
    }

    /// Takes a place by hand, if there is one now and nobody waits for it.
    ///
    /// # Errors
    ///
    /// Returns the fact if there is none.
    #[inline]
    pub fn try_enter(&self) -> Result<Place, BulkheadFull> {
        if self.shared.door.enter() { Ok(self.place()) } else { Err(self.refuse(Refusal::Full)) }
    }

    /// Takes a place, or waits for one.
    #[inline]
    pub(super) fn enter(
        &self,
        class: Criticality,
        deadline: Option<Instant>,
    ) -> Result<Entered, BulkheadFull> {
        if self.shared.door.enter() {
            return Ok(Entered::In(self.place()));
        }
        self.enter_or_wait(class, deadline)
    }

    #[cold]
    fn enter_or_wait(
        &self,
        class: Criticality,
        deadline: Option<Instant>,
    ) -> Result<Entered, BulkheadFull> {
        let now = Instant::now();
        if deadline.is_some_and(|deadline| deadline <= now) {
            return Err(self.refuse(Refusal::Expired));
        }
        // A wait past the end of time has no end.
        let until = Until { timeout: now.checked_add(self.longest_wait), deadline };
        let queue = if self.longest_wait.is_zero() { 0 } else { self.queue };
        let (entry, woken) = self.shared.door.enter_or_wait(class, until.instant(), now, queue);
        let entered = match entry {
            Entry::In => Ok(Entered::In(self.place())),
            Entry::Full => Err(self.refuse(Refusal::Full)),
            Entry::Waits(key) => {
                self.shared.queued.fetch_add(1, Ordering::Relaxed);
                Ok(Entered::Waits(Wait { compartment: self.clone(), key: Some(key), until }))
            }
        };
        woken.wake();
        entered
    }

    #[inline]
    fn place(&self) -> Place {
        Place { shared: Arc::clone(&self.shared) }
    }

    #[cold]
    fn refuse(&self, refusal: Refusal) -> BulkheadFull {
        let number = self.shared.refused[refusal as usize].fetch_add(1, Ordering::Relaxed);
        let retry_after = match refusal {
            // Nobody waits for it any more.
            Refusal::Expired => None,
            _ => Some(self.retry_after.of(number)),
        };
        BulkheadFull { refusal, retry_after }
    }
}

impl Inspect for Compartment {
    fn inspect(&self, inspector: &mut dyn Inspector) {
        let name = ("bulkhead", self.name());
        for (metric, help, value) in [
            ("bulkhead_places", "How many calls may be in flight.", self.places()),
            ("bulkhead_in_flight", "How many calls are in flight.", self.in_flight()),
            ("bulkhead_queued", "How many calls wait for a place.", self.queued()),
        ] {
            #[expect(clippy::cast_precision_loss, reason = "there are not that many calls")]
            inspector.gauge(metric, help, &[name], value as f64);
        }
        inspector.counter(
            "bulkhead_queued_total",
            "Calls that had to wait for a place.",
            &[name],
            self.shared.queued.load(Ordering::Relaxed),
        );
        for refusal in Refusal::ALL {
            inspector.counter(
                "bulkhead_refused_total",
                "Calls that got no place.",
                &[name, ("reason", refusal.name())],
                self.refused(refusal),
            );
        }
    }
}

impl fmt::Debug for Compartment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compartment")
            .field("name", &self.name())
            .field("places", &self.places())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

// ===== impl Place =====

impl Settle for Place {
    /// Gives the place back, whatever the call has shown.
    #[inline]
    fn settle(self, _: Judgement) {}
}

impl Drop for Place {
    #[inline]
    fn drop(&mut self) {
        self.shared.door.leave(Instant::now);
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("bulkhead", &self.shared.name).finish()
    }
}

// ===== impl Wait =====

impl Wait {
    /// Returns when it is over, if it is not then.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until.instant()
    }

    /// Waits for its turn.
    pub(super) fn poll_turn(&mut self, cx: &Context<'_>) -> Poll<Result<Place, BulkheadFull>> {
        // None only if it was over before.
        let Some(key) = self.key else { return Poll::Pending };
        let Poll::Ready(turn) = self.compartment.shared.door.poll(key, cx.waker()) else {
            return Poll::Pending;
        };
        self.key = None;
        Poll::Ready(self.end(turn))
    }

    /// Waits no more, for it is too late.
    pub(super) fn give_up(&mut self) -> Result<Place, BulkheadFull> {
        let key = self.key.take();
        let turn = key.map_or(Turn::Late, |key| self.compartment.shared.door.abandon(key));
        self.end(turn)
    }

    fn end(&self, turn: Turn) -> Result<Place, BulkheadFull> {
        match turn {
            Turn::Come => {
                let place = self.compartment.place();
                // Its turn came in time; if it is too late now, nobody waits.
                if self.until.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                    return Err(self.compartment.refuse(Refusal::Expired));
                }
                Ok(place)
            }
            Turn::Displaced => Err(self.compartment.refuse(Refusal::Displaced)),
            Turn::Waiting | Turn::Late => Err(self.compartment.refuse(self.until.refusal())),
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let door = &self.compartment.shared.door;
            if door.abandon(key) == Turn::Come {
                door.leave(Instant::now);
            }
        }
    }
}

impl fmt::Debug for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("until", &self.until()).finish_non_exhaustive()
    }
}

// ===== impl Until =====

impl Until {
    fn instant(self) -> Option<Instant> {
        self.timeout.into_iter().chain(self.deadline).min()
    }

    /// Which of the two came first.
    fn refusal(self) -> Refusal {
        match (self.timeout, self.deadline) {
            (Some(timeout), Some(deadline)) if deadline <= timeout => Refusal::Expired,
            (None, Some(_)) => Refusal::Expired,
            _ => Refusal::TimedOut,
        }
    }
}
