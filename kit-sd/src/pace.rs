use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Holds a loop to so many rounds in a time; rounds that were not used are
/// saved, up to a second's.
#[derive(Debug)]
pub(crate) struct Pace {
    /// When the next round would begin if they were evenly spread.
    next: Instant,
}

// ===== impl Pace =====

impl Pace {
    const PERIOD: Duration = Duration::from_millis(100);
    const SAVED: u32 = 10;

    pub(crate) fn new() -> Self {
        Self { next: Instant::now() }
    }

    pub(crate) async fn wait(&mut self) {
        let now = Instant::now();
        let earliest = now.checked_sub(Self::PERIOD * Self::SAVED).unwrap_or(now);
        self.next = self.next.max(earliest);
        sleep_until(self.next).await;
        self.next += Self::PERIOD;
    }
}
