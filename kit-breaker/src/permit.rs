use crate::Circuit;
use kit_endpoint::{Judgement, Settle};
use std::{fmt, num::NonZeroU64};

/// Leave to send one request. Dropped unused, it shows nothing.
///
/// It is small, for it moves with each call: into the handle that was polled,
/// into the call's future, and into the reply's stream.
pub struct Permit {
    circuit: Circuit,
    /// The closing after which it was given: a result from before the circuit
    /// last opened proves nothing about now.
    era: u32,
    /// Of which probing it is a probe, and whether the service is being asked.
    held: Held,
    /// When the request left, if that matters.
    begun: Option<Begun>,
}

/// A time, in nanoseconds since the circuit was made.
pub(crate) type Begun = NonZeroU64;

/// A number of 31 bits or none, and a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held(u32);

/// Of probings there are so many; then they are numbered anew.
pub(crate) const PROBINGS: u32 = (1 << 31) - 1;
const INSIDE: u32 = 1 << 31;

// ===== impl Permit =====

impl Permit {
    #[inline]
    pub(crate) const fn new(circuit: Circuit, era: u32) -> Self {
        Self { circuit, era, held: Held(0), begun: None }
    }

    pub(crate) const fn probe(circuit: Circuit, era: u32, probing: u32) -> Self {
        Self { circuit, era, held: Held(probing), begun: None }
    }

    /// Says whether the circuit would still let it in.
    #[inline]
    pub(crate) fn holds(&self) -> bool {
        self.circuit.admits(self.era, self.held.0 & !INSIDE)
    }

    /// Starts the clock of the request, if one is needed.
    #[inline]
    pub(crate) fn begin(&mut self) {
        self.begun = self.circuit.begin_call();
    }

    /// Asks the service for something. A panic is its failure, whoever drops the
    /// permit then.
    #[inline]
    pub(crate) fn during<T>(&mut self, ask: impl FnOnce() -> T) -> T {
        self.held.0 |= INSIDE;
        let answer = ask();
        self.held.0 &= !INSIDE;
        answer
    }

    /// Records what the request has shown. The permit is spent.
    #[inline]
    pub(crate) fn record(&mut self, judgement: Judgement) {
        let probing = std::mem::replace(&mut self.held, Held(0)).0 & !INSIDE;
        if probing == 0 {
            self.circuit.count(self.era, judgement, self.begun);
        } else {
            self.circuit.end_probe(probing, judgement, self.begun);
        }
    }

    #[cold]
    fn drop_held(&mut self) {
        let panicked = self.held.0 & INSIDE != 0;
        self.record(if panicked { Judgement::of(true) } else { Judgement::Nothing });
    }
}

impl Settle for Permit {
    #[inline]
    fn settle(mut self, judgement: Judgement) {
        self.record(judgement);
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        if self.held != Held(0) {
            self.drop_held();
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_probe = self.held.0 & !INSIDE != 0;
        f.debug_struct("Permit").field("probe", &is_probe).finish_non_exhaustive()
    }
}
