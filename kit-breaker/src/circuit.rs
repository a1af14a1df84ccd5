use crate::{
    Change, Limits, Open, Reason, State, Tally,
    control::{Control, Entry},
    gate::{Gate, Pass},
    permit::{Begun, Ticket},
    window::{Calls, Shown, nanos_since},
};
use kit_endpoint::{Inspect, Inspector, Judgement};
use std::{
    borrow::Cow,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::watch, time::Instant};

/// The state that the clones of a [`Breaker`](crate::Breaker) share.
///
/// A handle to it tells how it is: [`state`](Self::state), [`tally`](Self::tally),
/// [`changes`](Self::changes), [`Inspect`]; and can hold it open or closed by hand.
/// Clones are the same circuit. None of it makes a call wait.
#[derive(Clone)]
pub struct Circuit {
    shared: Arc<Shared>,
}

/// Makes a [`Circuit`].
pub struct CircuitBuilder {
    name: Cow<'static, str>,
    limits: Limits,
    random: fastrand::Rng,
    heard: Option<Heard>,
}

struct Shared {
    name: Cow<'static, str>,
    limits: Limits,
    made: Instant,
    /// What a call reads. A closed circuit's says all, so a call of a service
    /// that is well takes no lock.
    gate: Gate,
    calls: Calls,
    control: Mutex<Control>,
    changes: watch::Sender<Change>,
    heard: Option<Heard>,
    opened: AtomicU64,
    refused: AtomicU64,
}

/// What would be lost with a circuit.
#[cfg(feature = "keyed")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Idleness {
    /// Nothing: a new one would be the same.
    New,
    /// What it learnt, from calls of which none is on its way.
    Left,
    /// It is needed.
    Busy,
}

type Heard = Box<dyn Fn(&Change) + Send + Sync>;

// ===== impl CircuitBuilder =====

impl CircuitBuilder {
    /// Calls `heard` at each change, on the thread whose call made it: log it, or
    /// send it on, and don't block. Of two changes at once on two threads the
    /// later may be heard first; [`Change::number`] tells.
    #[must_use]
    pub fn on_change(mut self, heard: impl Fn(&Change) + Send + Sync + 'static) -> Self {
        self.heard = Some(Box::new(heard));
        self
    }

    /// Seeds the randomness of [`Limits::jitter`]. By the process by default.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.random = fastrand::Rng::with_seed(seed);
        self
    }

    /// Makes the circuit, closed.
    #[must_use]
    pub fn build(self) -> Circuit {
        let Self { name, limits, random, heard } = self;
        let (at, reason) = (Instant::now(), Reason::New);
        let (from, to) = (State::Closed, State::Closed);
        let new = Change { number: 0, from, to, reason, at, open_for: None };
        Circuit {
            shared: Arc::new(Shared {
                name,
                limits,
                made: at,
                gate: Gate::new(),
                calls: Calls::new(&limits),
                control: Mutex::new(Control::new(random)),
                changes: watch::Sender::new(new),
                heard,
                opened: AtomicU64::new(0),
                refused: AtomicU64::new(0),
            }),
        }
    }
}

impl fmt::Debug for CircuitBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, limits, .. } = self;
        f.debug_struct("CircuitBuilder")
            .field("name", name)
            .field("limits", limits)
            .finish_non_exhaustive()
    }
}

// ===== impl Circuit =====

impl Circuit {
    /// Creates a closed circuit. `name` tells it from others in what it says
    /// to an [`Inspector`].
    pub fn new(name: impl Into<Cow<'static, str>>, limits: Limits) -> Self {
        Self::builder(name, limits).build()
    }

    /// Creates a circuit that says when it changes, or whose randomness is seeded.
    pub fn builder(name: impl Into<Cow<'static, str>>, limits: Limits) -> CircuitBuilder {
        let (name, random) = (name.into(), fastrand::Rng::new());
        CircuitBuilder { name, limits, random, heard: None }
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Says what the circuit lets through. One that was open for long enough
    /// stays so until somebody asks to be let through.
    #[must_use]
    pub fn state(&self) -> State {
        match self.shared.gate.look().1 {
            Pass::Judged(_) => State::Closed,
            Pass::Counted => State::MetricsOnly,
            Pass::Free => State::ForcedClosed,
            Pass::Shut => self.control().state,
        }
    }

    /// Returns what the calls of the window showed since it last closed; nothing
    /// if no rate is asked of it.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.shared.calls.tally(self.shared.gate.look().0)
    }

    /// Returns how many calls in a row failed, while it is closed.
    #[must_use]
    pub fn failures_in_a_row(&self) -> u32 {
        match self.shared.gate.look().1 {
            Pass::Judged(failures) => failures,
            _ => 0,
        }
    }

    /// Returns the last change.
    #[must_use]
    pub fn last_change(&self) -> Change {
        self.shared.changes.borrow().clone()
    }

    /// Returns the changes as they come. Who is slow to look sees the last one
    /// only; [`Change::number`] tells how many it missed.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Change> {
        self.shared.changes.subscribe()
    }

    /// Lets nothing through until [`reset`](Self::reset) or another word.
    pub fn force_open(&self) {
        self.force(State::ForcedOpen, Pass::Shut);
    }

    /// Lets everything through and counts nothing: the circuit is disabled until
    /// [`reset`](Self::reset) or another word.
    pub fn force_closed(&self) {
        self.force(State::ForcedClosed, Pass::Free);
    }

    /// Lets everything through and counts what [`tally`](Self::tally) shows, but opens
    /// for nothing, until [`reset`](Self::reset) or another word: to see what a rate
    /// would come to. Failures in a row are not counted.
    pub fn metrics_only(&self) {
        self.force(State::MetricsOnly, Pass::Counted);
    }

    /// Closes the circuit and forgets what it counted. What is on its way shows
    /// nothing any more.
    pub fn reset(&self) {
        self.force(State::Closed, Pass::Judged(0));
    }

    #[inline]
    pub(crate) fn admit(&self) -> Result<Ticket, Open> {
        match self.shared.gate.look() {
            (_, Pass::Shut) => self.admit_probe(),
            (era, _) => Ok(Ticket::new(era, 0)),
        }
    }

    #[cold]
    fn admit_probe(&self) -> Result<Ticket, Open> {
        let mut control = self.control();
        let (entry, change) = control.enter(&self.shared.limits);
        let era = self.shared.gate.look().0;
        drop(control);
        if matches!(&change, Some(change) if change.to == State::Open) {
            self.shared.opened.fetch_add(1, Ordering::Relaxed);
        }
        self.tell(change);
        match entry {
            Entry::Probe(probing) => Ok(Ticket::new(era, probing)),
            Entry::Again => Ok(Ticket::new(era, 0)),
            Entry::Refused(retry_after) => Err(Open { retry_after }),
        }
    }

    /// Says whether who holds this ticket would be let in still.
    #[inline]
    pub(crate) fn admits(&self, ticket: Ticket) -> bool {
        let probing = ticket.probing();
        match self.shared.gate.look() {
            (_, Pass::Shut) => probing != 0 && self.control().is_probing(probing),
            (now, _) => now == ticket.era() && probing == 0,
        }
    }

    /// Counts a request that was refused.
    pub(crate) fn count_refused(&self) {
        self.shared.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Says what would be lost with it: nobody holds it, and it is as a new one
    /// would be, or at least nobody waits for it to open.
    #[cfg(feature = "keyed")]
    pub(crate) fn idleness(&self) -> Idleness {
        if Arc::strong_count(&self.shared) > 1 {
            return Idleness::Busy;
        }
        match self.shared.gate.look() {
            (era, Pass::Judged(failures)) => {
                let tally = self.shared.calls.tally(era);
                let is_new = failures == 0 && tally.failures == 0 && tally.slow == 0;
                if is_new { Idleness::New } else { Idleness::Left }
            }
            (_, Pass::Shut) if self.control().is_left() => Idleness::Left,
            _ => Idleness::Busy,
        }
    }

    /// Says when a call begins, if it has to be known.
    #[inline]
    pub(crate) fn begin_call(&self) -> Option<Begun> {
        self.shared.limits.slow()?;
        // One more, for zero is none.
        Begun::new(nanos_since(self.shared.made, Instant::now()).saturating_add(1))
    }

    /// Says whether a call took too long that began then and ends now.
    fn is_slow(&self, begun: Option<Begun>, now: Option<Instant>) -> bool {
        let Shared { limits, made, .. } = &*self.shared;
        let (Some(begun), Some(now), Some(slow)) = (begun, now, limits.slow()) else {
            return false;
        };
        let took = (nanos_since(*made, now) + 1).saturating_sub(begun.get());
        Duration::from_nanos(took) >= slow
    }

    /// Counts what a call of `era` has shown, which began then if it was timed.
    #[inline]
    pub(crate) fn count(&self, era: u32, judgement: Judgement, begun: Option<Begun>) {
        if judgement == Judgement::Success && matches!(self.shared.calls, Calls::None) {
            self.forget_failures(era);
        } else if judgement != Judgement::Nothing {
            self.judge(era, judgement, begun);
        }
    }

    // Not in each caller: a circuit without rates, which all of them may have, does not
    // come here while its service is well.
    #[inline(never)]
    fn judge(&self, era: u32, judgement: Judgement, begun: Option<Begun>) {
        let Shared { gate, calls, limits, .. } = &*self.shared;
        let opens = match gate.look() {
            (now, Pass::Judged(_)) if now == era => true,
            (now, Pass::Counted) if now == era => false,
            _ => return,
        };
        let now = (begun.is_some() || calls.reads_clock()).then(Instant::now);
        let slow = self.is_slow(begun, now);
        let shown = Shown { failed: judgement != Judgement::Success, slow };
        let tally = calls.record(era, shown, now);
        if !opens {
            return;
        }
        match judgement {
            Judgement::Success => self.forget_failures(era),
            Judgement::Failure { .. } => {
                if let Some(limit) = limits.consecutive()
                    && gate.fail(era, limit)
                {
                    self.trip(era, Reason::Failures(limit), judgement.retry_after());
                    return;
                }
            }
            _ => {}
        }
        let Some(tally) = tally else { return };
        if limits.is_failing(tally) {
            self.trip(era, Reason::FailureRate(tally), judgement.retry_after());
        } else if limits.is_slow(tally) {
            self.trip(era, Reason::SlowRate(tally), judgement.retry_after());
        }
    }

    #[inline]
    fn forget_failures(&self, era: u32) {
        // Most often there is nothing to forget, and nothing to write.
        if let Some(1..) = self.shared.gate.failures(era) {
            let limit = self.shared.limits.consecutive().unwrap_or(u32::MAX);
            self.shared.gate.forget(era, limit);
        }
    }

    /// Opens the circuit, if it is still the one that `era` was of.
    #[cold]
    fn trip(&self, era: u32, reason: Reason, hint: Option<Duration>) {
        let mut control = self.control();
        // Two calls may find at once that it has to open.
        if control.state != State::Closed || self.shared.gate.look().0 != era {
            return;
        }
        // A rate was read while others counted: it has to be so still.
        let Shared { limits, calls, .. } = &*self.shared;
        let holds = match reason {
            Reason::FailureRate(_) => limits.is_failing(calls.tally(era)),
            Reason::SlowRate(_) => limits.is_slow(calls.tally(era)),
            _ => true,
        };
        if !holds {
            return;
        }
        let change = control.open(&self.shared.limits, reason, hint);
        self.shared.gate.set(era, Pass::Shut);
        self.shared.opened.fetch_add(1, Ordering::Relaxed);
        drop(control);
        self.tell(Some(change));
    }

    /// Hears what a probe has shown.
    #[cold]
    pub(crate) fn end_probe(&self, probing: u32, judgement: Judgement, begun: Option<Begun>) {
        let limits = &self.shared.limits;
        let slow = self.is_slow(begun, begun.map(|_| Instant::now()));
        let mut control = self.control();
        let change = match control.hear(probing, judgement, slow, limits) {
            None => return,
            Some(true) => {
                let change = control.turn(State::Closed, Reason::ProbesSucceeded);
                self.begin(Pass::Judged(0));
                change
            }
            Some(false) => {
                self.shared.opened.fetch_add(1, Ordering::Relaxed);
                control.open(limits, Reason::ProbeFailed, judgement.retry_after())
            }
        };
        drop(control);
        self.tell(Some(change));
    }

    fn force(&self, state: State, pass: Pass) {
        let mut control = self.control();
        let change = control.turn(state, Reason::Forced);
        self.begin(pass);
        drop(control);
        self.tell(Some(change));
    }

    /// Begins an era: what is on its way counts no more. Only under the lock.
    fn begin(&self, pass: Pass) {
        let era = self.shared.gate.look().0.wrapping_add(1);
        self.shared.calls.begin(era);
        self.shared.gate.set(era, pass);
    }

    /// Says what changed, to whom wants to hear it; not under the lock.
    fn tell(&self, change: Option<Change>) {
        let Some(change) = change else { return };
        self.shared.changes.send_if_modified(|last| {
            let later = change.number > last.number;
            if later {
                last.clone_from(&change);
            }
            later
        });
        if let Some(heard) = &self.shared.heard {
            heard(&change);
        }
    }

    fn control(&self) -> MutexGuard<'_, Control> {
        // No code that can panic runs under the lock.
        self.shared.control.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inspect for Circuit {
    fn inspect(&self, inspector: &mut dyn Inspector) {
        let labels = [("breaker", self.name())];
        let Shared { opened, refused, calls, .. } = &*self.shared;
        inspector.state(
            "breaker_state",
            "What the circuit lets through: closed, half-open, open, or by hand forced-open, \
             forced-closed or metrics-only.",
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
        if matches!(calls, Calls::None) {
            return;
        }
        let tally = self.tally();
        for (name, help, value) in [
            ("breaker_window_calls", "Calls of the window.", tally.calls),
            ("breaker_window_failures", "Calls of the window that failed.", tally.failures),
            ("breaker_window_slow", "Calls of the window that were slow.", tally.slow),
        ] {
            inspector.gauge(name, help, &labels, value.into());
        }
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
