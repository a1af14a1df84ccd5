use crate::{Circuit, Open};
use kit_endpoint::{Judgement, Settle};
use std::{fmt, mem, num::NonZeroU64, task::Poll};

/// Leave to send one request. Dropped unused, it shows nothing.
///
/// It is small, for it moves with each call: into the call's future, and into the
/// reply's stream.
pub struct Permit {
    circuit: Circuit,
    ticket: Ticket,
    /// When the request left, if that matters.
    begun: Option<Begun>,
}

/// Where a handle stands before its circuit: let in or not, before there is a
/// request. Let in to a circuit that is closed it holds nothing; a probe's place it
/// gives back when it is dropped.
///
/// It stays with the handle, where a [`Permit`] would be counted as one more holder
/// of the circuit.
pub(crate) struct Door {
    circuit: Circuit,
    admission: Admission,
}

enum Admission {
    Unasked,
    Admitted(Ticket),
    Refused(Open),
}

/// What a permit is for, in one word, since halves of one that are written apart
/// are slow to be read together: the era, which is the closing after which it was
/// given (a result from before the circuit last opened proves nothing about now);
/// whether the service is being asked; and of which probing it is a probe, or 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

/// A time, in nanoseconds since the circuit was made.
pub(crate) type Begun = NonZeroU64;

/// Of probings there are so many; then they are numbered anew.
pub(crate) const PROBINGS: u32 = (1 << 31) - 1;
const INSIDE: u64 = 1 << 31;

// ===== impl Ticket =====

impl Ticket {
    /// Of a call, or of a probe if `probing` is not 0.
    #[inline]
    pub(crate) const fn new(era: u32, probing: u32) -> Self {
        Self((era as u64) << 32 | probing as u64)
    }

    #[inline]
    pub(crate) const fn era(self) -> u32 {
        (self.0 >> 32) as u32
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "31 bits")]
    pub(crate) const fn probing(self) -> u32 {
        (self.0 & PROBINGS as u64) as u32
    }

    #[inline]
    const fn is_inside(self) -> bool {
        self.0 & INSIDE != 0
    }

    /// Says whether something is to be told of it when it is dropped.
    #[inline]
    const fn is_held(self) -> bool {
        self.0 & (INSIDE | PROBINGS as u64) != 0
    }

    /// Asks the service for something. A panic is its failure, whoever drops the
    /// ticket then.
    #[inline]
    fn during<T>(&mut self, ask: impl FnOnce() -> T) -> T {
        self.0 |= INSIDE;
        let answer = ask();
        self.0 &= !INSIDE;
        answer
    }

    /// Tells `circuit` what the request has shown. The ticket is spent.
    #[inline]
    fn record(&mut self, circuit: &Circuit, judgement: Judgement, begun: Option<Begun>) {
        let spent = Self::new(self.era(), 0);
        let ticket = mem::replace(self, spent);
        if ticket.probing() == 0 {
            circuit.count(ticket.era(), judgement, begun);
        } else {
            circuit.end_probe(ticket.probing(), judgement, begun);
        }
    }

    #[cold]
    fn drop_held(&mut self, circuit: &Circuit, begun: Option<Begun>) {
        let judgement = if self.is_inside() { Judgement::of(true) } else { Judgement::Nothing };
        self.record(circuit, judgement, begun);
    }
}

// ===== impl Door =====

impl Door {
    pub(crate) const fn new(circuit: Circuit) -> Self {
        Self { circuit, admission: Admission::Unasked }
    }

    pub(crate) const fn circuit(&self) -> &Circuit {
        &self.circuit
    }

    /// Asks the circuit, unless it let the handle in and would do so still. Then it
    /// asks the service, and tells the circuit if that fails; a handle that is
    /// refused does not ask the service: it may be pending because it is down.
    #[inline]
    pub(crate) fn ready<E>(
        &mut self,
        ask: impl FnOnce() -> Poll<Result<(), E>>,
        judge: impl FnOnce(&E) -> Judgement,
    ) -> Poll<Result<(), E>> {
        // One that waits for the service has to hear that the circuit opened.
        if !matches!(self.admission, Admission::Admitted(ticket) if self.circuit.admits(ticket)) {
            // Gives a place back first, if it had one.
            self.leave();
            self.admission = match self.circuit.admit() {
                Ok(ticket) => Admission::Admitted(ticket),
                Err(open) => Admission::Refused(open),
            };
        }
        let Admission::Admitted(ticket) = &mut self.admission else {
            return Poll::Ready(Ok(()));
        };
        let poll = ticket.during(ask);
        if let Poll::Ready(Err(error)) = &poll {
            ticket.record(&self.circuit, judge(error), None);
            self.admission = Admission::Unasked;
        }
        poll
    }

    /// Goes in, if the circuit let the handle in.
    ///
    /// # Panics
    ///
    /// If it was not asked.
    #[inline]
    pub(crate) fn enter(&mut self) -> Result<Permit, Open> {
        match mem::replace(&mut self.admission, Admission::Unasked) {
            Admission::Admitted(ticket) => Ok(Permit::new(self.circuit.clone(), ticket)),
            Admission::Refused(open) => Err(open),
            Admission::Unasked => panic!("poll_ready must be called first"),
        }
    }

    #[inline]
    fn leave(&mut self) {
        if let Admission::Admitted(ticket) = &mut self.admission
            && ticket.is_held()
        {
            ticket.drop_held(&self.circuit, None);
        }
        self.admission = Admission::Unasked;
    }
}

/// Readiness belongs to one handle: the clone must ask for its own.
impl Clone for Door {
    fn clone(&self) -> Self {
        Self::new(self.circuit.clone())
    }
}

impl Drop for Door {
    #[inline]
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.circuit.fmt(f)
    }
}

// ===== impl Permit =====

impl Permit {
    #[inline]
    pub(crate) const fn new(circuit: Circuit, ticket: Ticket) -> Self {
        Self { circuit, ticket, begun: None }
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
        self.ticket.during(ask)
    }
}

impl Settle for Permit {
    #[inline]
    fn settle(mut self, judgement: Judgement) {
        self.ticket.record(&self.circuit, judgement, self.begun);
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        if self.ticket.is_held() {
            self.ticket.drop_held(&self.circuit, self.begun);
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_probe = self.ticket.probing() != 0;
        f.debug_struct("Permit").field("probe", &is_probe).finish_non_exhaustive()
    }
}
