use crate::Open;
use kit_endpoint::{Inspect, Inspector, Judgement, Settle};
use std::{
    borrow::Cow,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// When a circuit opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Consecutive failures that open the circuit; zero acts as one.
    pub failures: u32,
    /// How long an open circuit stays open before it lets a probe through.
    pub cooldown: Duration,
}

/// What a circuit lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Everything: the service is well.
    Closed,
    /// Nothing: the service failed, and is left alone.
    Open,
    /// One request at a time, to see whether the service is well again.
    HalfOpen,
}

/// The state that the clones of a [`Breaker`](crate::Breaker) share.
///
/// A handle to it tells how it is ([`state`](Self::state), [`Inspect`]).
/// Clones are the same circuit.
#[derive(Clone)]
pub struct Circuit {
    shared: Arc<Shared>,
}

struct Shared {
    name: Cow<'static, str>,
    limits: Limits,
    /// While it is closed: the failures so far, below the era. Else
    /// [`TRIPPED`], and the rest is behind the lock. So a call of a service
    /// that is well takes no lock and reads no clock.
    gate: AtomicU64,
    tripped: Mutex<Tripped>,
    opened: AtomicU64,
    refused: AtomicU64,
}

/// What is in the lower half of the gate while the circuit is not closed.
const TRIPPED: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
enum Tripped {
    /// The gate counts.
    No,
    Open {
        since: Instant,
    },
    HalfOpen {
        probing: bool,
    },
}

/// Leave to send one request. Dropped unused, it is neither success nor failure.
pub struct Permit {
    circuit: Circuit,
    /// The closing after which it was given: a result from before the circuit
    /// last opened proves nothing about now.
    era: u32,
    probe: bool,
}

// ===== impl Limits =====

impl Default for Limits {
    /// Five consecutive failures, which is Envoy's and Finagle's default;
    /// 10 s, which is a compromise: gobreaker waits 60 s, Polly 5 s.
    fn default() -> Self {
        Self { failures: 5, cooldown: Duration::from_secs(10) }
    }
}

// ===== impl State =====

impl State {
    /// Returns the name: `closed`, `open`, `half-open`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

// ===== impl Circuit =====

impl Circuit {
    /// Creates a closed circuit. `name` tells it from others in what it says
    /// to an [`Inspector`].
    pub fn new(name: impl Into<Cow<'static, str>>, limits: Limits) -> Self {
        Self {
            shared: Arc::new(Shared {
                name: name.into(),
                limits,
                gate: AtomicU64::new(gate(0, 0)),
                tripped: Mutex::new(Tripped::No),
                opened: AtomicU64::new(0),
                refused: AtomicU64::new(0),
            }),
        }
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Says what the circuit lets through. One whose cooldown is over stays
    /// open until somebody asks to be let through.
    #[must_use]
    pub fn state(&self) -> State {
        match *self.tripped() {
            Tripped::No => State::Closed,
            Tripped::Open { .. } => State::Open,
            Tripped::HalfOpen { .. } => State::HalfOpen,
        }
    }

    #[inline]
    pub(crate) fn admit(&self) -> Result<Permit, Open> {
        let (era, failures) = parts(self.shared.gate.load(Ordering::Acquire));
        if failures != TRIPPED {
            return Ok(Permit { circuit: self.clone(), era, probe: false });
        }
        self.admit_probe()
    }

    #[cold]
    fn admit_probe(&self) -> Result<Permit, Open> {
        let mut tripped = self.tripped();
        let retry_after = match *tripped {
            // Never `since + cooldown`: a cooldown may be for ever.
            Tripped::Open { since } => self.shared.limits.cooldown.saturating_sub(since.elapsed()),
            // How long the probe takes nobody knows; a cooldown is the most
            // that its failure adds.
            Tripped::HalfOpen { probing: true } => self.shared.limits.cooldown,
            Tripped::No | Tripped::HalfOpen { probing: false } => Duration::ZERO,
        };
        if !retry_after.is_zero() {
            self.shared.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Open { retry_after });
        }
        // Under the lock the gate does not open or close.
        let (era, failures) = parts(self.shared.gate.load(Ordering::Relaxed));
        let probe = failures == TRIPPED;
        if probe {
            *tripped = Tripped::HalfOpen { probing: true };
        }
        drop(tripped);
        Ok(Permit { circuit: self.clone(), era, probe })
    }

    /// Counts a failure; the one at the limit opens the circuit.
    #[cold]
    fn count_failure(&self, era: u32) {
        let limit = self.shared.limits.failures.clamp(1, TRIPPED - 1);
        let counted = self.shared.gate.fetch_update(Ordering::AcqRel, Ordering::Acquire, |old| {
            let (now, failures) = parts(old);
            let counts = now == era && failures != TRIPPED && failures < limit;
            counts.then(|| gate(now, failures + 1))
        });
        if counted.is_ok_and(|old| parts(old).1 + 1 == limit) {
            self.open(era);
        }
    }

    fn open(&self, era: u32) {
        let mut tripped = self.tripped();
        *tripped = Tripped::Open { since: Instant::now() };
        self.shared.gate.store(gate(era, TRIPPED), Ordering::Release);
        self.shared.opened.fetch_add(1, Ordering::Relaxed);
        drop(tripped);
    }

    fn close(&self, era: u32) {
        let mut tripped = self.tripped();
        *tripped = Tripped::No;
        self.shared.gate.store(gate(era.wrapping_add(1), 0), Ordering::Release);
        drop(tripped);
    }

    fn tripped(&self) -> MutexGuard<'_, Tripped> {
        // No code that can panic runs under the lock.
        self.shared.tripped.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inspect for Circuit {
    fn inspect(&self, inspector: &mut dyn Inspector) {
        let labels = [("breaker", self.name())];
        let (opened, refused) = (&self.shared.opened, &self.shared.refused);
        inspector.state(
            "breaker_state",
            "What the circuit lets through: closed, half-open or open.",
            &labels,
            self.state().name(),
        );
        inspector.counter(
            "breaker_opened_total",
            "Times that the circuit opened.",
            &labels,
            opened.load(Ordering::Relaxed),
        );
        inspector.counter(
            "breaker_refused_total",
            "Requests that were refused because the circuit was open.",
            &labels,
            refused.load(Ordering::Relaxed),
        );
    }
}

impl fmt::Debug for Circuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Circuit")
            .field("name", &self.name())
            .field("limits", &self.shared.limits)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

#[inline]
const fn gate(era: u32, failures: u32) -> u64 {
    (era as u64) << 32 | failures as u64
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the halves of the gate")]
const fn parts(gate: u64) -> (u32, u32) {
    ((gate >> 32) as u32, gate as u32)
}

// ===== impl Permit =====

impl Permit {
    /// Records how the request ended. The permit is spent.
    #[inline]
    pub(crate) fn record(&mut self, failed: bool) {
        if self.probe {
            self.end_probe(failed);
        } else if failed {
            self.circuit.count_failure(self.era);
        } else {
            self.forget_failures();
        }
    }

    #[cold]
    fn give_back(&self) {
        *self.circuit.tripped() = Tripped::HalfOpen { probing: false };
    }

    #[cold]
    fn end_probe(&mut self, failed: bool) {
        self.probe = false;
        if failed { self.circuit.open(self.era) } else { self.circuit.close(self.era) }
    }

    #[inline]
    fn forget_failures(&self) {
        // Most often there is nothing to forget, and nothing to write.
        if parts(self.circuit.shared.gate.load(Ordering::Relaxed)).1 != 0 {
            self.reset_failures();
        }
    }

    #[cold]
    fn reset_failures(&self) {
        let gate = &self.circuit.shared.gate;
        let _ = gate.fetch_update(Ordering::AcqRel, Ordering::Acquire, |old| {
            let (era, failures) = parts(old);
            let forgets = era == self.era && failures != TRIPPED;
            // At the limit it is about to open: that failure came first.
            let opening = failures >= self.circuit.shared.limits.failures.clamp(1, TRIPPED - 1);
            (forgets && !opening).then(|| self::gate(era, 0))
        });
    }
}

impl Settle for Permit {
    #[inline]
    fn settle(mut self, judgement: Judgement) {
        self.record(judgement.is_failure());
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        if self.probe {
            self.give_back();
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("probe", &self.probe).finish_non_exhaustive()
    }
}
