//! A recorder for tests: what was recorded, by name and labels.
//!
//! ```
//! use kit_metrics::{AnyError, RedLayer, testing::Recording};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let recording = Recording::new();
//! let red = RedLayer::new(recording.clone(), "parser_call", &[("method", "number")]);
//! let parser = ServiceBuilder::new()
//!     .layer(red.classify(AnyError))
//!     .service(service_fn(|text: &'static str| async { text.parse::<u16>() }));
//! parser.oneshot("twelve").await.unwrap_err();
//!
//! let failed = [("method", "number"), ("kind", "UNKNOWN")];
//! assert_eq!(recording.histogram("parser_call_duration_seconds", &failed).unwrap().len(), 1);
//! assert_eq!(recording.gauge("parser_call_in_flight", &[("method", "number")]), Some(0.0));
//! # }
//! ```

use metrics::{
    Counter, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// A name, and its labels sorted.
type Id = (String, Vec<(String, String)>);

/// A recorder that keeps every value of every histogram, for tests to look at.
///
/// It grows with each value that is recorded, and locks for it: a
/// [`Registry`](crate::Registry) does not. Clones share everything.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    counters: BTreeMap<Id, Arc<AtomicU64>>,
    gauges: BTreeMap<Id, Arc<Values>>,
    histograms: BTreeMap<Id, Arc<Values>>,
    described: BTreeMap<String, (Option<Unit>, String)>,
}

/// Of a gauge each value that it had, of a histogram each that was recorded.
#[derive(Debug, Default)]
struct Values(Mutex<Vec<f64>>);

// ===== impl Recording =====

impl Recording {
    /// Creates one that has recorded nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns what a counter with exactly these labels, in any order, came to;
    /// `None` if it was not registered.
    #[must_use]
    pub fn counter(&self, name: &str, labels: &[(&str, &str)]) -> Option<u64> {
        Some(self.shared().counters.get(&id(name, labels))?.load(Ordering::Relaxed))
    }

    /// Returns the level of a gauge, 0 before it was first set.
    #[must_use]
    pub fn gauge(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let levels = self.levels(name, labels)?;
        Some(levels.last().copied().unwrap_or_default())
    }

    /// Returns every level that a gauge had, the oldest first.
    #[must_use]
    pub fn levels(&self, name: &str, labels: &[(&str, &str)]) -> Option<Vec<f64>> {
        Some(self.shared().gauges.get(&id(name, labels))?.values().clone())
    }

    /// Returns every value of a histogram, the oldest first.
    #[must_use]
    pub fn histogram(&self, name: &str, labels: &[(&str, &str)]) -> Option<Vec<f64>> {
        Some(self.shared().histograms.get(&id(name, labels))?.values().clone())
    }

    /// Returns what the metric `name` was described as: its unit, and what it
    /// is.
    #[must_use]
    pub fn description(&self, name: &str) -> Option<(Option<Unit>, String)> {
        self.shared().described.get(name).cloned()
    }

    /// Returns the names of all metrics, and the labels of each of their
    /// series: sorted.
    #[must_use]
    pub fn series(&self) -> Vec<(String, Vec<(String, String)>)> {
        let shared = self.shared();
        let all =
            shared.counters.keys().chain(shared.gauges.keys()).chain(shared.histograms.keys());
        let mut all: Vec<_> = all.cloned().collect();
        all.sort();
        all
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn describe(&self, name: &KeyName, unit: Option<Unit>, help: &SharedString) {
        let described = (unit, help.to_string());
        self.shared().described.insert(name.as_str().to_owned(), described);
    }
}

impl Recorder for Recording {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(&name, unit, &description);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(&name, unit, &description);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(&name, unit, &description);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let mut shared = self.shared();
        Counter::from_arc(Arc::clone(shared.counters.entry(id_of(key)).or_default()))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::clone(self.shared().gauges.entry(id_of(key)).or_default()))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::clone(self.shared().histograms.entry(id_of(key)).or_default()))
    }
}

fn id(name: &str, labels: &[(&str, &str)]) -> Id {
    let mut labels: Vec<_> =
        labels.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    labels.sort();
    (name.to_owned(), labels)
}

fn id_of(key: &Key) -> Id {
    let labels: Vec<_> = key.labels().map(|label| (label.key(), label.value())).collect();
    id(key.name(), &labels)
}

// ===== impl Values =====

impl Values {
    fn values(&self) -> MutexGuard<'_, Vec<f64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step(&self, value: f64) {
        let mut levels = self.values();
        let level = levels.last().copied().unwrap_or_default();
        levels.push(level + value);
    }
}

impl GaugeFn for Values {
    fn increment(&self, value: f64) {
        self.step(value);
    }

    fn decrement(&self, value: f64) {
        self.step(-value);
    }

    fn set(&self, value: f64) {
        self.values().push(value);
    }
}

impl HistogramFn for Values {
    fn record(&self, value: f64) {
        self.values().push(value);
    }
}
