use crate::records::DynRecorder;
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use std::{fmt, sync::Arc};

/// A recorder that records into several.
///
/// Many exporters need none: each of them reads the one
/// [`Registry`](crate::Registry). This is for recorders that keep what they
/// record to themselves.
///
/// ```
/// use kit_metrics::{Discard, Fanout, Prometheus, RedLayer};
///
/// let metrics = Prometheus::new();
/// let both = Fanout::new().to(metrics.clone()).to(Discard);
/// let red = RedLayer::new(both, "sql_query", &[]);
/// assert!(metrics.render().contains("sql_query_in_flight 0"));
/// # let _: RedLayer = red;
/// ```
///
/// Each has a handle of its own for each series, so that what one does with it
/// does not reach another. A handle records into one after the other.
#[derive(Clone, Default)]
pub struct Fanout {
    recorders: Vec<Arc<DynRecorder>>,
}

/// One handle of each recorder.
struct Many<T>(Box<[T]>);

// ===== impl Fanout =====

impl Fanout {
    /// Creates one that records nowhere.
    #[must_use]
    pub const fn new() -> Self {
        Self { recorders: Vec::new() }
    }

    /// Records into `recorder`, too.
    #[must_use]
    pub fn to(mut self, recorder: impl Recorder + Send + Sync + 'static) -> Self {
        self.recorders.push(Arc::new(recorder));
        self
    }

    pub(crate) fn recorders(&self) -> impl Iterator<Item = &DynRecorder> {
        self.recorders.iter().map(|recorder| &**recorder)
    }

    fn many<T>(&self, register: impl Fn(&DynRecorder) -> T) -> Arc<Many<T>> {
        Arc::new(Many(self.recorders().map(register).collect()))
    }
}

impl fmt::Debug for Fanout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fanout").field("recorders", &self.recorders.len()).finish()
    }
}

impl Recorder for Fanout {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        for one in self.recorders() {
            one.describe_counter(name.clone(), unit, description.clone());
        }
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        for one in self.recorders() {
            one.describe_gauge(name.clone(), unit, description.clone());
        }
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        for one in self.recorders() {
            one.describe_histogram(name.clone(), unit, description.clone());
        }
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.many(|one| one.register_counter(key, metadata)))
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.many(|one| one.register_gauge(key, metadata)))
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.many(|one| one.register_histogram(key, metadata)))
    }
}

// ===== impl Many =====

impl CounterFn for Many<Counter> {
    fn increment(&self, value: u64) {
        self.0.iter().for_each(|one| one.increment(value));
    }

    fn absolute(&self, value: u64) {
        self.0.iter().for_each(|one| one.absolute(value));
    }
}

impl GaugeFn for Many<Gauge> {
    fn increment(&self, value: f64) {
        self.0.iter().for_each(|one| one.increment(value));
    }

    fn decrement(&self, value: f64) {
        self.0.iter().for_each(|one| one.decrement(value));
    }

    fn set(&self, value: f64) {
        self.0.iter().for_each(|one| one.set(value));
    }
}

impl HistogramFn for Many<Histogram> {
    fn record(&self, value: f64) {
        self.0.iter().for_each(|one| one.record(value));
    }

    fn record_many(&self, value: f64, count: usize) {
        self.0.iter().for_each(|one| one.record_many(value, count));
    }
}
