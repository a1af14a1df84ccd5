use super::limiter::{Limiter, Many, One};
use std::{fmt, sync::Arc};
use tokio::time::{Instant, sleep_until};

/// Room for one request, now or in a while.
///
/// Who need not wait has spent it already. Who has to wait spends it by
/// [`ready`](Self::ready) or [`spend`](Self::spend). Dropped unspent it is
/// given back if nobody has reserved after it. Else those behind keep their
/// times, and it is lost: the limit then lets fewer through than it might, and
/// never more.
#[must_use = "dropped, it is given back"]
pub struct Reservation {
    wait: Option<Wait>,
}

struct Wait {
    at: Instant,
    kept: Kept,
    /// The time that stands there since, and the one to go back to.
    tat: u64,
    before: u64,
    is_spent: bool,
}

/// Where it was taken.
pub(super) enum Kept {
    One(Arc<Limiter<One>>),
    Many(Arc<Limiter<Many>>, u64),
}

// ===== impl Reservation =====

impl Reservation {
    pub(super) const fn at_once() -> Self {
        Self { wait: None }
    }

    pub(super) const fn waiting(at: Instant, kept: Kept, tat: u64, before: u64) -> Self {
        Self { wait: Some(Wait { at, kept, tat, before, is_spent: false }) }
    }

    /// Returns the instant from which on it is good, if that was not at once.
    #[must_use]
    pub fn at(&self) -> Option<Instant> {
        self.wait.as_ref().map(|wait| wait.at)
    }

    /// Spends it: the request is sent.
    pub fn spend(mut self) {
        if let Some(wait) = &mut self.wait {
            wait.is_spent = true;
        }
    }

    /// Waits until it is good, and spends it. Dropped before that, the future
    /// gives it back as the reservation does.
    pub async fn ready(self) {
        if let Some(at) = self.at() {
            sleep_until(at).await;
        }
        self.spend();
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation").field("at", &self.at()).finish_non_exhaustive()
    }
}

// ===== impl Wait =====

impl Drop for Wait {
    fn drop(&mut self) {
        let Self { kept, tat, before, is_spent, .. } = self;
        match kept {
            Kept::One(limiter) if *is_spent => limiter.let_through(()),
            Kept::Many(limiter, place) if *is_spent => limiter.let_through(*place),
            Kept::One(limiter) => limiter.give_back((), *tat, *before),
            Kept::Many(limiter, place) => limiter.give_back(*place, *tat, *before),
        }
    }
}
