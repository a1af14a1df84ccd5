use crate::Reason;
use kit_endpoint::Inspector;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many came, and what became of them.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    known: AtomicU64,
    anonymous: AtomicU64,
    denied: [AtomicU64; Reason::NAMES.len()],
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Count {
    Known,
    Anonymous,
    Denied(Reason),
}

// ===== impl Stats =====

impl Stats {
    pub(crate) fn count(&self, what: Count) {
        let counter = match what {
            Count::Known => &self.known,
            Count::Anonymous => &self.anonymous,
            Count::Denied(reason) => &self.denied[reason.index()],
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn inspect(&self, inspector: &mut dyn Inspector) {
        let mut say = |outcome, count: &AtomicU64| {
            let help = "Requests by what became of their credentials.";
            let count = count.load(Ordering::Relaxed);
            inspector.counter("auth_requests_total", help, &[("outcome", outcome)], count);
        };
        say("known", &self.known);
        say("anonymous", &self.anonymous);
        for (name, count) in Reason::NAMES.iter().zip(&self.denied) {
            say(name, count);
        }
    }
}
