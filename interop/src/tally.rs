use http::{Extensions, HeaderMap};
use kit_transport::{Call, End, Hook, Observer, Outcome};
use std::time::Duration;
use tokio::sync::watch;

/// Counts what a hook and the layers around the endpoints hear of. Clones are
/// the same.
#[derive(Debug, Clone, Default)]
pub struct Tally(watch::Sender<Counts>);

/// What was heard of so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Requests that the hook saw the head of.
    pub before: usize,
    /// Replies that the hook saw the head of.
    pub after: usize,
    /// How requests ended, as the hook was told.
    pub ends: Vec<Outcome>,
    /// Calls that the layers saw: the method, and what was left of the
    /// caller's deadline, if it set one.
    pub begun: Vec<(&'static str, Option<Duration>)>,
    /// How calls ended, as the layers saw it.
    pub calls: Vec<Outcome>,
}

// ===== impl Tally =====

impl Tally {
    /// Returns what was heard of so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.0.borrow().clone()
    }

    /// Waits until `done`, and returns the counts as they are then.
    pub async fn wait_for(&self, done: impl FnMut(&Counts) -> bool) -> Counts {
        let mut counts = self.0.subscribe();
        // The sender lives as long as we do.
        match counts.wait_for(done).await {
            Ok(counts) => counts.clone(),
            Err(_) => self.counts(),
        }
    }

    pub(crate) fn note(&self, note: impl FnOnce(&mut Counts)) {
        self.0.send_modify(note);
    }
}

impl Hook for Tally {
    type Observer = Self;

    fn before(&self, _: &Call<'_>, _: &mut Extensions) -> Self {
        self.note(|counts| counts.before += 1);
        self.clone()
    }
}

impl Observer for Tally {
    fn after(&mut self, _: &mut HeaderMap) {
        self.note(|counts| counts.after += 1);
    }

    fn finish(self, end: &End) {
        self.note(|counts| counts.ends.push(end.outcome));
    }
}
