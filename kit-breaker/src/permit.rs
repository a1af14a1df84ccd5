use crate::Circuit;
use kit_endpoint::{Judgement, Settle};
use std::fmt;
use tokio::time::Instant;

/// Leave to send one request. Dropped unused, it shows nothing.
pub struct Permit {
    circuit: Circuit,
    /// The closing after which it was given: a result from before the circuit
    /// last opened proves nothing about now.
    era: u32,
    probe: Option<u32>,
    /// The service is being asked: it panicked if the permit is dropped so.
    is_inside: bool,
    /// When the request left, if that matters.
    begun: Option<Instant>,
}

// ===== impl Permit =====

impl Permit {
    #[inline]
    pub(crate) const fn new(circuit: Circuit, era: u32, probe: Option<u32>) -> Self {
        Self { circuit, era, probe, is_inside: false, begun: None }
    }

    /// Starts the clock of the request, if one is needed.
    #[inline]
    pub(crate) fn begin(&mut self) {
        if self.circuit.times() {
            self.begun = Some(Instant::now());
        }
    }

    /// Asks the service for something. A panic is its failure, whoever drops the
    /// permit then.
    #[inline]
    pub(crate) fn during<T>(&mut self, ask: impl FnOnce() -> T) -> T {
        self.is_inside = true;
        let answer = ask();
        self.is_inside = false;
        answer
    }

    /// Records what the request has shown. The permit is spent.
    #[inline]
    pub(crate) fn record(&mut self, judgement: Judgement) {
        if let Some(probing) = self.probe.take() {
            self.circuit.end_probe(probing, judgement, self.begun);
        } else {
            self.circuit.count(self.era, judgement, self.begun);
        }
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
        if self.is_inside {
            self.record(Judgement::of(true));
        } else if self.probe.is_some() {
            self.record(Judgement::Nothing);
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("probe", &self.probe.is_some()).finish_non_exhaustive()
    }
}
