//! How long a peer may keep us waiting, given what it brings meanwhile.

use std::time::Duration;
use tokio::time::Instant;

/// So many bytes a second, and how long a peer that is slower is borne.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) bytes: u32,
    pub(crate) patience: Duration,
}

/// The patience with one peer.
///
/// Only the time in which it is waited for counts. Each byte buys some of it
/// back, but never more than there was at first: who was fast for an hour may
/// not be silent for one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    left: Duration,
    /// When it is over, while the peer is waited for. It stays what it is until
    /// the peer brings something: a clock that is read later must not move it.
    until: Option<Instant>,
    bytes: u64,
}

// ===== impl Pace =====

impl Pace {
    pub(crate) const fn new(rate: Rate) -> Self {
        Self { left: rate.patience, until: None, bytes: 0 }
    }

    /// Begins anew, with another message.
    pub(crate) const fn renew(&mut self, rate: Rate) {
        self.left = rate.patience;
        self.until = None;
    }

    pub(crate) const fn is_waiting(&self) -> bool {
        self.until.is_some()
    }

    /// Looks at whether the peer `is_waited` for, after it brought so many
    /// bytes in all; returns when it has kept us waiting too long.
    pub(crate) fn look(
        &mut self,
        rate: Rate,
        is_waited: bool,
        bytes: u64,
        now: Instant,
    ) -> Option<Instant> {
        if let Some(until) = self.until {
            self.left = until.saturating_duration_since(now);
        }
        let bought = bytes.saturating_sub(self.bytes);
        self.bytes = bytes;
        let is_over = self.left.is_zero() && self.until.is_some();
        // What comes too late buys nothing, unless it was borne.
        if bought > 0 && !(is_over && is_waited) {
            let nanos = bought.saturating_mul(1_000_000_000) / u64::from(rate.bytes.max(1));
            let left = self.left.saturating_add(Duration::from_nanos(nanos));
            self.left = left.min(rate.patience);
        }
        if !is_waited {
            self.until = None;
        } else if !is_over {
            self.until = now.checked_add(self.left);
        }
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { bytes: 100, patience: Duration::from_secs(10) };
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn silence_is_borne_for_the_patience() {
        let (mut pace, now) = (Pace::new(RATE), Instant::now());
        assert_eq!(pace.look(RATE, true, 0, now), Some(now + 10 * SECOND));
        assert_eq!(pace.look(RATE, true, 0, now + 4 * SECOND), Some(now + 10 * SECOND));
    }

    #[test]
    fn bytes_buy_time_but_no_more_than_there_was() {
        let (mut pace, now) = (Pace::new(RATE), Instant::now());
        pace.look(RATE, true, 0, now);
        let later = now + 4 * SECOND;
        assert_eq!(pace.look(RATE, true, 100, later), Some(later + 7 * SECOND));
        assert_eq!(pace.look(RATE, true, 1_000_000, later), Some(later + 10 * SECOND));
    }

    #[test]
    fn a_drip_does_not_last() {
        let (mut pace, begun) = (Pace::new(RATE), Instant::now());
        let mut now = begun;
        let mut bytes = 0;
        while pace.look(RATE, true, bytes, now).is_some_and(|end| end > now) {
            (now, bytes) = (now + SECOND, bytes + 1);
        }
        assert_eq!((now - begun).as_secs(), 11);
    }

    #[test]
    fn what_the_service_takes_does_not_count() {
        let (mut pace, now) = (Pace::new(RATE), Instant::now());
        pace.look(RATE, true, 0, now);
        assert_eq!(pace.look(RATE, false, 0, now + 3 * SECOND), None);
        let later = now + 60 * SECOND;
        assert_eq!(pace.look(RATE, true, 0, later), Some(later + 7 * SECOND));
        pace.renew(RATE);
        assert_eq!(pace.look(RATE, true, 0, later), Some(later + 10 * SECOND));
    }

    #[test]
    fn its_end_stays_what_it_is_however_late_one_looks() {
        let (mut pace, now) = (Pace::new(RATE), Instant::now());
        let end = pace.look(RATE, true, 0, now);
        for late in [1, 2, 3] {
            let later = now + 10 * SECOND + Duration::from_micros(late);
            assert_eq!(pace.look(RATE, true, late, later), end);
        }
    }

    #[test]
    fn who_was_late_once_and_was_borne_buys_patience_again() {
        let (mut pace, now) = (Pace::new(RATE), Instant::now());
        pace.look(RATE, true, 0, now);
        let late = now + 11 * SECOND;
        assert_eq!(pace.look(RATE, false, 100, late), None);
        assert_eq!(pace.look(RATE, true, 100, late), Some(late + SECOND));
        assert_eq!(pace.look(RATE, false, 1_000_000, late), None);
        assert_eq!(pace.look(RATE, true, 1_000_000, late), Some(late + 10 * SECOND));
    }

    #[test]
    fn patience_may_have_no_end() {
        let rate = Rate { bytes: 0, patience: Duration::MAX };
        let mut pace = Pace::new(rate);
        assert_eq!(pace.look(rate, true, u64::MAX, Instant::now()), None);
    }
}
