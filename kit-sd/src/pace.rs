use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Holds a loop to so many rounds in a time, more of them where a round brings
/// news; time that was not used is saved, up to a second's.
#[derive(Debug)]
pub(crate) struct Pace {
    /// When the next round would begin if they were evenly spread.
    next: Instant,
}

// ===== impl Pace =====

impl Pace {
    /// What a round costs that brings nothing new: ten a second.
    const IDLE: Duration = Duration::from_millis(100);
    /// What one costs that does: fifty, since a set that changes all the time
    /// is to be seen in 50 ms all the same.
    const NEWS: Duration = Duration::from_millis(20);
    const SAVED: Duration = Duration::from_secs(1);

    pub(crate) fn new() -> Self {
        Self { next: Instant::now() }
    }

    /// Waits for the next round.
    pub(crate) async fn wait(&mut self) {
        let now = Instant::now();
        self.next = self.next.max(now.checked_sub(Self::SAVED).unwrap_or(now));
        sleep_until(self.next).await;
    }

    /// Takes down what a round brought.
    pub(crate) fn round(&mut self, news: bool) {
        self.next += if news { Self::NEWS } else { Self::IDLE };
    }
}
