use super::limiter::Shared;
use kit_endpoint::{Judgement, Settle};
use std::{fmt, sync::Arc};
use tokio::time::Instant;

/// A place among the calls in flight. Dropped, it is given back.
///
/// [Settled](Settle), it tells the limiter how the call went: a success, or a
/// failure or overload, which count as dropped. [`Judgement::Nothing`] shows
/// nothing, as a drop does.
pub struct Permit {
    shared: Arc<Shared>,
    /// None if no clock is read.
    begun: Option<Instant>,
    in_flight: u32,
    /// [`NO_PARTITION`], or its place.
    partition: u32,
}

const NO_PARTITION: u32 = u32::MAX;

// ===== impl Permit =====

impl Permit {
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "there are not that many")]
    pub(super) fn new(
        shared: Arc<Shared>,
        begun: Option<Instant>,
        in_flight: usize,
        partition: Option<usize>,
    ) -> Self {
        let partition = partition.map_or(NO_PARTITION, |place| place as u32);
        Self { shared, begun, in_flight: in_flight as u32, partition }
    }
}

impl Settle for Permit {
    #[inline]
    fn settle(self, judgement: Judgement) {
        let dropped = match judgement {
            Judgement::Success => false,
            Judgement::Nothing => return,
            _ => true,
        };
        if let Some(begun) = self.begun {
            self.shared.ended(begun, self.in_flight, dropped);
        }
    }
}

impl Drop for Permit {
    #[inline]
    fn drop(&mut self) {
        let partition = self.partition;
        self.shared.leave((partition != NO_PARTITION).then_some(partition as usize));
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("in_flight", &self.in_flight).finish_non_exhaustive()
    }
}
