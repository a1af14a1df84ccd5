//! What a circuit that is not simply closed needs to know: all of it is behind
//! the circuit's lock, and no call of a service that is well comes here.

use crate::{Change, Limits, Reason, State, Tally, permit::PROBINGS};
use kit_endpoint::Judgement;
use std::time::Duration;
use tokio::time::Instant;

#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) state: State,
    /// When it came to be so; of a half-open one, when the last probe left.
    since: Instant,
    /// How long it stays open.
    open_for: Duration,
    /// How often it opened without having closed.
    openings: u32,
    /// Which probing this is: a probe of an earlier one shows nothing.
    probing: u32,
    /// The probes that left and did not come back with nothing.
    probes: u32,
    shown: Tally,
    changes: u64,
    random: fastrand::Rng,
}

/// What becomes of a call that met a gate that is shut.
#[derive(Debug)]
pub(crate) enum Entry {
    /// It may pass, and is a probe of this probing.
    Probe(u32),
    /// It may not, for so long if that is known.
    Refused(Option<Duration>),
    /// The gate is not shut any more.
    Again,
}

// ===== impl Control =====

impl Control {
    pub(crate) fn new(random: fastrand::Rng) -> Self {
        Self {
            state: State::Closed,
            since: Instant::now(),
            open_for: Duration::ZERO,
            openings: 0,
            probing: 0,
            probes: 0,
            shown: Tally::default(),
            changes: 0,
            random,
        }
    }

    /// Lets a call in as a probe or not; and what changed by that.
    pub(crate) fn enter(&mut self, limits: &Limits) -> (Entry, Option<Change>) {
        match self.state {
            State::Open => {
                // Never `since + open_for`: that may be for ever.
                let left = self.open_for.saturating_sub(self.since.elapsed());
                if !left.is_zero() {
                    return (Entry::Refused(Some(left)), None);
                }
                let change = self.change(State::HalfOpen, Reason::CooldownOver, None);
                // Never zero: that is no probing.
                self.probing = self.probing % PROBINGS + 1;
                (self.probes, self.shown) = (1, Tally::default());
                (Entry::Probe(self.probing), Some(change))
            }
            State::HalfOpen if self.probes < limits.probing().calls() => {
                self.probes += 1;
                self.since = Instant::now();
                (Entry::Probe(self.probing), None)
            }
            State::HalfOpen if limits.is_lost(self.since.elapsed()) => {
                let change = self.open(limits, Reason::ProbeLost, None);
                (Entry::Refused(Some(self.open_for)), Some(change))
            }
            // How long the probes take nobody knows, but that they may succeed.
            State::HalfOpen => {
                (Entry::Refused(Some(self.open_for.min(limits.first_cooldown()))), None)
            }
            State::ForcedOpen => (Entry::Refused(None), None),
            State::Closed | State::ForcedClosed | State::MetricsOnly => (Entry::Again, None),
        }
    }

    /// Says whether it waits for what this probing shows.
    pub(crate) fn is_probing(&self, probing: u32) -> bool {
        self.state == State::HalfOpen && self.probing == probing
    }

    /// Says whether nobody came to probe it, though somebody could.
    #[cfg(feature = "keyed")]
    pub(crate) fn is_left(&self) -> bool {
        match self.state {
            State::Open => self.since.elapsed() >= self.open_for,
            State::HalfOpen => true,
            _ => false,
        }
    }

    /// Hears what a probe has shown; says whether that closes the circuit, if it
    /// is enough to say.
    pub(crate) fn hear(
        &mut self,
        probing: u32,
        judgement: Judgement,
        slow: bool,
        limits: &Limits,
    ) -> Option<bool> {
        if self.state != State::HalfOpen || self.probing != probing {
            return None;
        }
        if judgement == Judgement::Nothing {
            self.probes = self.probes.saturating_sub(1);
            return None;
        }
        self.shown.calls += 1;
        self.shown.failures += u32::from(judgement != Judgement::Success);
        self.shown.slow += u32::from(slow);
        limits.probing().verdict(limits, self.shown)
    }

    /// Opens, for longer each time in a row.
    pub(crate) fn open(
        &mut self,
        limits: &Limits,
        reason: Reason,
        hint: Option<Duration>,
    ) -> Change {
        self.open_for = limits.open_for(self.openings, self.random.f64(), hint);
        self.openings = self.openings.saturating_add(1);
        self.change(State::Open, reason, Some(self.open_for))
    }

    /// Becomes one of the others, by a reason that is not a failure.
    pub(crate) fn turn(&mut self, state: State, reason: Reason) -> Change {
        self.openings = 0;
        self.change(state, reason, None)
    }

    fn change(&mut self, to: State, reason: Reason, open_for: Option<Duration>) -> Change {
        let from = std::mem::replace(&mut self.state, to);
        (self.since, self.changes) = (Instant::now(), self.changes + 1);
        Change { number: self.changes, from, to, reason, at: self.since, open_for }
    }
}
