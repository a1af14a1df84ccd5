use super::{
    Algorithm, ConcurrencyLimited, Partitions, Permit, Sample, Sampling,
    error::{RetryAfter, part},
    gate::{self, Gate},
    permit::Seat,
    share::Share,
    window::{Totals, Window},
};
use crate::sync::{AtomicU64, AtomicUsize, Mutex, Ordering};
use kit_endpoint::{Criticality, Inspect, Inspector};
use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, TryLockError},
    time::Duration,
};
use tokio::time::Instant;

/// How many calls are in flight, and how many may be. Clones count the same calls;
/// what is told who is refused, and the shares of classes, are each clone's own.
#[derive(Clone)]
pub struct Limiter {
    shared: Arc<Shared>,
    retry_after: RetryAfter,
    /// How much of the limit each class may fill.
    shares: [Share; Criticality::ALL.len()],
}

pub(super) struct Shared {
    name: Cow<'static, str>,
    began: Instant,
    gate: Gate,
    limit: AtomicUsize,
    sampling: Sampling,
    window: Window,
    /// When the window ends, in nanoseconds since the beginning.
    ends: AtomicU64,
    /// How long calls took in the last window, in nanoseconds.
    typical: AtomicU64,
    /// Erased, so that a limiter is one type: who ends a call asks it, not who
    /// begins one.
    algorithm: Mutex<Box<dyn Algorithm>>,
    partitions: Partitions,
    refused: [AtomicU64; Criticality::ALL.len()],
}

// ===== impl Limiter =====

impl Limiter {
    /// No limit is higher: 262,144. A higher one is as this one.
    pub const MOST: usize = gate::MOST;

    /// Creates a limiter with the limit that `algorithm` finds. `name` tells it
    /// from others in what it says to an [`Inspector`].
    pub fn new(name: impl Into<Cow<'static, str>>, algorithm: impl Algorithm) -> Self {
        Self::partitioned(name, algorithm, Partitions::none())
    }

    /// Creates a limiter whose limit has guaranteed shares; whose a call is, a layer
    /// says: [`by_partition`](super::ConcurrencyLimitLayer::by_partition).
    pub fn partitioned(
        name: impl Into<Cow<'static, str>>,
        algorithm: impl Algorithm,
        partitions: Partitions,
    ) -> Self {
        let sampling = algorithm.sampling();
        let shared = Shared {
            name: name.into(),
            began: Instant::now(),
            gate: Gate::new(),
            limit: AtomicUsize::new(within_bounds(algorithm.limit())),
            sampling,
            window: Window::new(),
            ends: AtomicU64::new(match sampling {
                Sampling::Window { length, .. } => nanos(length),
                _ => 0,
            }),
            typical: AtomicU64::new(0),
            algorithm: Mutex::new(Box::new(algorithm)),
            partitions,
            refused: std::array::from_fn(|_| AtomicU64::new(0)),
        };
        Self {
            shared: Arc::new(shared),
            retry_after: RetryAfter::DEFAULT,
            shares: [0.5, 0.75, 0.9, 1.0].map(Share::new),
        }
    }

    /// Lets a class of requests fill so much of the limit: 0 to 1, where 0 refuses
    /// all of them. By default critical-plus may fill all of it, critical 0.9,
    /// sheddable-plus 0.75 and sheddable 0.5: what matters less is refused first,
    /// and there is room left for what matters most.
    ///
    /// A share is rounded up to whole calls, so that a small limit is not left
    /// unused: 0.9 keeps one place free from a limit of 10 on, 0.75 from 4, 0.5
    /// from 2.
    ///
    /// A class that may fill less than half of the limit does not make it grow by
    /// itself. It matters only with
    /// [`by_criticality`](super::ConcurrencyLimitLayer::by_criticality).
    #[must_use]
    pub const fn share(mut self, class: Criticality, share: f64) -> Self {
        self.shares[class as usize] = Share::new(share);
        self
    }

    /// Asks who is refused to try again after about so long. 1 s by default.
    #[must_use]
    pub const fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after.base = after;
        self
    }

    /// Spreads that by so much to both sides: 0 to 1, so that those who are refused
    /// at once do not come back at once. 0.5 by default, and for what is no number.
    #[must_use]
    pub const fn jitter(mut self, jitter: f64) -> Self {
        self.retry_after.jitter = part(jitter, RetryAfter::DEFAULT.jitter);
        self
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Returns how many calls may be in flight now.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.shared.limit.load(Ordering::Relaxed)
    }

    /// Returns how many calls are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared.gate.in_flight()
    }

    /// Returns how many calls were admitted.
    #[must_use]
    pub fn admitted(&self) -> u64 {
        self.shared.gate.admitted()
    }

    /// Returns how many calls were refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.shared.refused.iter().map(|refused| refused.load(Ordering::Relaxed)).sum()
    }

    /// Returns how many calls a partition is guaranteed now, if there is one of
    /// that name; that of all others is the `rest`.
    #[must_use]
    pub fn guaranteed(&self, partition: &str) -> Option<usize> {
        let partition = self.shared.partitions.named(partition)?;
        Some(partition.share.of(self.limit()))
    }

    /// Returns how many calls of a partition are in flight, if there is one of that
    /// name.
    #[must_use]
    pub fn in_flight_of(&self, partition: &str) -> Option<usize> {
        Some(self.shared.partitions.named(partition)?.gate.in_flight())
    }

    /// Admits a call by hand: one that no layer sees. Tell the permit how it ended,
    /// by [`Settle`](kit_endpoint::Settle); dropped, it gives its place back and
    /// shows nothing.
    ///
    /// # Errors
    ///
    /// Returns the fact if as many calls are in flight as there may be.
    pub fn admit(&self) -> Result<Permit, ConcurrencyLimited> {
        self.admit_as(None, None)
    }

    /// Admits a call by hand, as one of a class and of a partition.
    ///
    /// # Errors
    ///
    /// Returns the fact if as many such calls are in flight as there may be.
    #[inline]
    pub fn admit_as(
        &self,
        class: Option<Criticality>,
        partition: Option<&str>,
    ) -> Result<Permit, ConcurrencyLimited> {
        let share = class.map_or(Share::ALL, |class| self.shares[class as usize]);
        match self.shared.enter(share, partition) {
            Some(seat) => {
                let begun = match self.shared.sampling {
                    // Nobody asks how long it takes.
                    Sampling::Nothing => self.shared.began,
                    _ => Instant::now(),
                };
                Ok(Permit::new(Arc::clone(&self.shared), begun, seat))
            }
            None => Err(self.refuse(class, partition)),
        }
    }

    #[cold]
    fn refuse(&self, class: Option<Criticality>, partition: Option<&str>) -> ConcurrencyLimited {
        let Shared { refused, partitions, .. } = &*self.shared;
        let class = class.unwrap_or(Criticality::Critical);
        let number = refused[class as usize].fetch_add(1, Ordering::Relaxed);
        if let Some(place) = partitions.find(partition) {
            partitions.all()[place].refused.fetch_add(1, Ordering::Relaxed);
        }
        ConcurrencyLimited { retry_after: self.retry_after.of(number) }
    }
}

impl Inspect for Limiter {
    fn inspect(&self, inspector: &mut dyn Inspector) {
        let name = ("limiter", self.name());
        let (limit, in_flight) = (self.limit(), self.in_flight());
        inspector.gauge(
            "concurrency_limit",
            "How many calls may be in flight now.",
            &[name],
            gauge(limit),
        );
        inspector.gauge(
            "concurrency_limit_in_flight",
            "How many calls are in flight.",
            &[name],
            gauge(in_flight),
        );
        inspector.counter(
            "concurrency_limit_admitted_total",
            "Calls that were admitted.",
            &[name],
            self.admitted(),
        );
        for class in Criticality::ALL {
            inspector.counter(
                "concurrency_limit_refused_total",
                "Calls that were refused, for as many were in flight as there may be.",
                &[name, ("criticality", class.name())],
                self.shared.refused[class as usize].load(Ordering::Relaxed),
            );
        }
        for partition in self.shared.partitions.all() {
            let labels = [name, ("partition", &*partition.name)];
            inspector.gauge(
                "concurrency_limit_partition_guaranteed",
                "How many calls the partition is guaranteed now.",
                &labels,
                gauge(partition.share.of(limit)),
            );
            inspector.gauge(
                "concurrency_limit_partition_in_flight",
                "How many calls of the partition are in flight.",
                &labels,
                gauge(partition.gate.in_flight()),
            );
            inspector.counter(
                "concurrency_limit_partition_admitted_total",
                "Calls of the partition that were admitted.",
                &labels,
                partition.gate.admitted(),
            );
            inspector.counter(
                "concurrency_limit_partition_refused_total",
                "Calls of the partition that were refused.",
                &labels,
                partition.refused(),
            );
        }
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter")
            .field("name", &self.name())
            .field("limit", &self.limit())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

// ===== impl Shared =====

impl Shared {
    /// Lets one in that may fill this share of the limit.
    #[inline]
    fn enter(&self, share: Share, partition: Option<&str>) -> Option<Seat> {
        if let Some(place) = self.partitions.find(partition) {
            return self.enter_partition(share, place);
        }
        let limit = share.of(self.limit.load(Ordering::Relaxed));
        Seat::new(self.gate.enter_below(limit)?, None)
    }

    fn enter_partition(&self, share: Share, place: usize) -> Option<Seat> {
        let partition = &self.partitions.all()[place];
        let limit = self.limit.load(Ordering::Relaxed);
        // What a class may fill of the whole, it may fill of each guarantee.
        let guaranteed = share.of(partition.share.of(limit));
        let limit = share.of(limit);
        Seat::new(gate::admit(&self.gate, limit, &partition.gate, guaranteed)?, Some(place))
    }

    /// Gives a place back.
    #[inline]
    pub(super) fn leave(&self, partition: Option<usize>) {
        if let Some(place) = partition {
            self.partitions.all()[place].gate.leave();
        }
        self.gate.leave();
    }

    /// Hears how a call went that began at `begun`, with so many in flight.
    #[inline]
    pub(super) fn ended(&self, begun: Instant, in_flight: u32, dropped: bool) {
        if self.sampling == Sampling::Nothing {
            return;
        }
        let now = Instant::now();
        let rtt = now.saturating_duration_since(begun);
        match self.sampling {
            Sampling::Nothing | Sampling::Each => self.each(rtt, in_flight, dropped),
            Sampling::Window { length, calls } => {
                let time = nanos(rtt);
                // A failure says how long the call would have taken at the least: what
                // comes quickly says nothing, what comes late says that it is slow.
                let tells = !dropped || time >= self.typical.load(Ordering::Relaxed);
                let (so_far, full) = self.window.add(tells.then_some(time), in_flight, dropped);
                // Where there are many, a few calls later is soon enough.
                let is_enough = so_far >= calls && (so_far < 100 || so_far.is_multiple_of(64));
                if is_enough || full {
                    self.close(now, length, if full { 0 } else { calls });
                }
            }
        }
    }

    /// Tells the algorithm of a call, unless another does that: then it tells of
    /// this one too, the next time.
    #[inline]
    fn each(&self, rtt: Duration, in_flight: u32, dropped: bool) {
        let told = self.with_algorithm(|algorithm| {
            if let Some(totals) = self.window.take() {
                self.update(algorithm, &totals.sample());
            }
            let in_flight = in_flight as usize;
            self.update(algorithm, &Sample { rtt, in_flight, dropped, calls: 1 });
        });
        if told.is_none() {
            self.window.add(Some(nanos(rtt)), in_flight, dropped);
        }
    }

    /// Tells the algorithm of a window that is over, unless another does that.
    #[cold]
    fn close(&self, now: Instant, length: Duration, calls: u32) {
        let now = nanos(now.saturating_duration_since(self.began));
        if now < self.ends.load(Ordering::Relaxed) {
            return;
        }
        self.with_algorithm(|algorithm| {
            // Another may have done it meanwhile.
            if now < self.ends.load(Ordering::Relaxed) || self.window.calls() < calls {
                return;
            }
            self.ends.store(now.saturating_add(nanos(length)), Ordering::Relaxed);
            if let Some(totals) = self.window.take() {
                self.typical.store(totals.mean(), Ordering::Relaxed);
                self.update(algorithm, &totals.sample());
            }
        });
    }

    /// Does something with the algorithm, unless another does.
    #[inline]
    fn with_algorithm(&self, ask: impl FnOnce(&mut dyn Algorithm)) -> Option<()> {
        let mut algorithm = match self.algorithm.try_lock() {
            Ok(algorithm) => algorithm,
            // One that panicked once is asked again.
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        ask(&mut **algorithm);
        Some(())
    }

    #[inline]
    fn update(&self, algorithm: &mut dyn Algorithm, sample: &Sample) {
        let limit = within_bounds(algorithm.update(sample));
        if limit != self.limit.load(Ordering::Relaxed) {
            self.limit.store(limit, Ordering::Relaxed);
        }
    }
}

// ===== impl Totals =====

impl Totals {
    fn sample(&self) -> Sample {
        Sample {
            rtt: Duration::from_nanos(self.mean()),
            in_flight: self.in_flight as usize,
            dropped: self.dropped,
            calls: self.calls,
        }
    }
}

fn within_bounds(limit: usize) -> usize {
    limit.min(gate::MOST)
}

#[inline]
fn nanos(duration: Duration) -> u64 {
    let seconds = duration.as_secs().saturating_mul(1_000_000_000);
    seconds.saturating_add(u64::from(duration.subsec_nanos()))
}

#[expect(clippy::cast_precision_loss, reason = "there are not that many calls")]
fn gauge(value: usize) -> f64 {
    value as f64
}
