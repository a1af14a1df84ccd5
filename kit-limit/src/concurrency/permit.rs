use super::limiter::Shared;
use kit_endpoint::{Judgement, Settle};
use std::{fmt, num::NonZeroU64, sync::Arc};
use tokio::time::Instant;

/// A place among the calls in flight. Dropped, it is given back.
///
/// [Settled](Settle), it tells the limiter how the call went: a success, or a
/// failure or overload, which count as dropped. [`Judgement::Nothing`] shows
/// nothing, as a drop does.
pub struct Permit {
    shared: Arc<Shared>,
    begun: Instant,
    seat: Seat,
}

/// Where a call sits: how many were in flight when it came, itself among them, and
/// the place of its partition, if it has one.
///
/// One number, for it is passed on in a register; its highest bit says that the
/// limiter was told how the call went.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seat(NonZeroU64);

const TOLD: u64 = 1 << 63;

// ===== impl Permit =====

impl Permit {
    #[inline]
    pub(super) const fn new(shared: Arc<Shared>, begun: Instant, seat: Seat) -> Self {
        Self { shared, begun, seat }
    }
}

impl Permit {
    /// Tells how the call went, and keeps the place: what comes after it says no more.
    #[inline]
    pub(super) fn tell(&mut self, judgement: Judgement) {
        let begun = self.begun;
        let Some(in_flight) = self.seat.tell() else { return };
        let dropped = match judgement {
            Judgement::Success => false,
            Judgement::Nothing => return,
            _ => true,
        };
        self.shared.ended(begun, in_flight, dropped);
    }
}

impl Settle for Permit {
    #[inline]
    fn settle(mut self, judgement: Judgement) {
        self.tell(judgement);
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        self.shared.leave(self.seat.partition());
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let in_flight = self.seat.in_flight();
        f.debug_struct("Permit").field("in_flight", &in_flight).finish_non_exhaustive()
    }
}

// ===== impl Seat =====

impl Seat {
    /// Returns the seat of one that met so many, at least itself.
    #[inline]
    pub(super) const fn new(in_flight: usize, partition: Option<usize>) -> Option<Self> {
        let place = match partition {
            Some(place) => place as u64 + 1,
            None => 0,
        };
        match NonZeroU64::new((place << 32) | in_flight as u64) {
            Some(seat) => Some(Self(seat)),
            None => None,
        }
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
    const fn in_flight(self) -> u32 {
        self.0.get() as u32
    }

    #[inline]
    const fn partition(self) -> Option<usize> {
        (((self.0.get() & !TOLD) >> 32) as usize).checked_sub(1)
    }

    /// Returns how many were in flight, the first time.
    #[inline]
    fn tell(&mut self) -> Option<u32> {
        let first = (self.0.get() & TOLD == 0).then(|| self.in_flight());
        self.0 |= TOLD;
        first
    }
}
