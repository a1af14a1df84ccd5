use kit_endpoint::{Inspect, Inspector};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// How a [`Push`](super::Push) gets on: for a page, a debug port, or another
/// exporter.
///
/// | metric | | |
/// |---|---|---|
/// | `metrics_exports_total` | counter | exports that succeeded |
/// | `metrics_export_failures_total` | counter | exports that failed |
/// | `metrics_export_dropped_points_total` | counter | points that were given up |
/// | `metrics_export_up` | gauge | 1 when the last export succeeded, else 0 |
///
/// Each has the label `exporter`. Clones share everything.
#[derive(Clone)]
pub struct Status {
    name: Arc<str>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    exports: AtomicU64,
    failures: AtomicU64,
    dropped: AtomicU64,
    up: AtomicBool,
}

// ===== impl Status =====

impl Status {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.into(), counts: Arc::default() }
    }

    pub(super) fn rename(&mut self, name: &str) {
        self.name = name.into();
    }

    pub(super) fn count(&self, succeeded: bool, dropped: u64) {
        let Counts { exports, failures, dropped: all, up } = &*self.counts;
        if succeeded { exports } else { failures }.fetch_add(1, Ordering::Relaxed);
        all.store(dropped, Ordering::Relaxed);
        up.store(succeeded, Ordering::Relaxed);
    }

    /// Returns how many exports succeeded.
    #[must_use]
    pub fn exports(&self) -> u64 {
        self.counts.exports.load(Ordering::Relaxed)
    }

    /// Returns how many exports failed.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.counts.failures.load(Ordering::Relaxed)
    }

    /// Returns how many points were given up.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.counts.dropped.load(Ordering::Relaxed)
    }

    /// Returns whether the last export succeeded; not before the first.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.counts.up.load(Ordering::Relaxed)
    }
}

impl Inspect for Status {
    fn inspect(&self, to: &mut dyn Inspector) {
        let labels = [("exporter", &*self.name)];
        let mut counter = |name, help, value| to.counter(name, help, &labels, value);
        counter("metrics_exports_total", "Exports of metrics that succeeded.", self.exports());
        counter(
            "metrics_export_failures_total",
            "Exports of metrics that failed.",
            self.failures(),
        );
        counter(
            "metrics_export_dropped_points_total",
            "Points of metrics that were given up.",
            self.dropped(),
        );
        let up = f64::from(u8::from(self.is_up()));
        to.gauge("metrics_export_up", "Whether the last export succeeded.", &labels, up);
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Status")
            .field("name", &self.name)
            .field("exports", &self.exports())
            .field("failures", &self.failures())
            .field("dropped", &self.dropped())
            .field("up", &self.is_up())
            .finish_non_exhaustive()
    }
}
