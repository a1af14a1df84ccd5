//! Where metrics are kept, for whoever reads them: the page that Prometheus
//! scrapes, an exporter, a test.
//!
//! A [`Registry`] is a recorder of the `metrics` facade with a fixed number of
//! atomics for each series. Whatever registers metrics on it, [`read`] copies
//! what they come to, and asks the components that it was told of
//! ([`collect`](Registry::collect)) for what they know. Nothing is written down
//! for each event, so nothing needs upkeep, memory does not grow with traffic,
//! and any number of readers disturb neither each other nor who records.
//!
//! ```
//! use kit_metrics::{Recorder, registry::{Registry, Value}};
//! use metrics::Key;
//!
//! let registry = Registry::new();
//! let metadata = metrics::Metadata::new("example", metrics::Level::INFO, None);
//! registry.register_counter(&Key::from_name("jobs"), &metadata).increment(2);
//!
//! assert_eq!(registry.read().get("jobs", &[]), Some(&Value::Counter(2)));
//! ```
//!
//! # Names
//!
//! They are kept as they were registered. Two that Prometheus has one name for
//! (`a.b` and `a_b`) are one, and so are two such labels, so that what one
//! reader takes apart another does too.
//!
//! # Histograms
//!
//! They have fixed buckets, [`DURATION_BUCKETS`] unless
//! [`buckets`](Registry::buckets) says otherwise. Values that are not finite
//! are dropped.
//!
//! # Exemplars
//!
//! The facade has no place for them. What of this crate measures, the RED layer
//! and the metrics of servers and clients, finds out that its recorder is a
//! `Registry`, a [`Prometheus`](crate::Prometheus) or a
//! [`Fanout`](crate::Fanout) with such in it, and gives it the trace of a call
//! beside its duration; each bucket keeps the newest. Your own does so by
//! [`Registry::histogram`].
//!
//! # Bounds
//!
//! A metric has at most [`limit`](Registry::limit) sets of labels; those that
//! come later share one whose every value is `other`.
//!
//! [`read`]: Registry::read

pub(crate) mod exemplar;
mod family;
mod histogram;
mod level;
pub(crate) mod name;
mod reading;
mod sync;

pub use self::reading::{Exemplar, Histogram, Metric, Reading, Series, Value};
pub(crate) use self::{histogram::Buckets, level::Count};

use self::family::{Asked, Cell, Family};
use crate::Trace;
use kit_endpoint::Inspect;
use metrics::{Counter, Gauge, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

/// The upper bounds of a histogram's buckets, in seconds, that OpenTelemetry's
/// conventions advise for `http.server.request.duration`.
pub const DURATION_BUCKETS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// How many sets of labels a metric may have: OpenTelemetry's default.
const LIMIT: usize = 2000;

/// A recorder that keeps what it recorded, to be read at any time.
///
/// See the [module](self) for what it does. Clones share everything.
#[derive(Clone)]
pub struct Registry {
    shared: Arc<Mutex<Shared>>,
}

/// A histogram of a [`Registry`], to record values into and whose they are.
#[derive(Clone)]
pub struct Observations {
    buckets: Arc<Buckets>,
}

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shape {
    /// A count that never goes down.
    Counter,
    /// A value that goes up and down.
    Gauge,
    /// How many values fell into which bucket.
    Histogram,
}

/// Locked to register and to read, never to record.
struct Shared {
    families: BTreeMap<(String, Shape), Family>,
    buckets: HashMap<String, Arc<[f64]>>,
    default: Arc<[f64]>,
    components: Vec<Arc<dyn Inspect>>,
    limit: usize,
    started: SystemTime,
}

// ===== impl Registry =====

impl Registry {
    /// Creates a registry without metrics.
    #[must_use]
    pub fn new() -> Self {
        let shared = Shared {
            families: BTreeMap::new(),
            buckets: HashMap::new(),
            default: Arc::new(DURATION_BUCKETS),
            components: Vec::new(),
            limit: LIMIT,
            started: SystemTime::now(),
        };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }

    /// Gives the histogram `name` buckets with these upper bounds: in any
    /// order, and without the last, which is infinite. The name is that which
    /// it is registered under, or that which Prometheus has for it. It concerns
    /// what is registered from now on.
    #[must_use]
    pub fn buckets(self, name: &str, bounds: &[f64]) -> Self {
        let bounds = histogram::bounds(bounds);
        self.shared().buckets.insert(name::metric(name), bounds);
        self
    }

    /// Allows each metric `series` sets of labels: 2000 by default, as
    /// OpenTelemetry does.
    #[must_use]
    pub fn limit(self, series: usize) -> Self {
        self.shared().limit = series;
        self
    }

    /// Asks `component` for what it knows whenever the registry is read.
    ///
    /// Where several say the same counter with the same labels, it is their
    /// sum; of a gauge, the last counts.
    pub fn collect(&self, component: impl Inspect + 'static) {
        self.shared().components.push(Arc::new(component));
    }

    /// Reads what every metric comes to now, and asks the components.
    ///
    /// Recording goes on meanwhile. What a component says under the name of a
    /// metric that was registered is left out.
    #[must_use]
    pub fn read(&self) -> Reading {
        let (components, limit) = {
            let shared = self.shared();
            (shared.components.clone(), shared.limit)
        };
        // Not under the lock: a component may take its time, or register.
        let mut asked = Asked::new(limit);
        for component in &components {
            component.inspect(&mut asked);
        }
        let shared = self.shared();
        let mut reading = Reading::new(Vec::new(), SystemTime::now(), shared.started);
        let mut taken = HashSet::new();
        for ((name, shape), family) in shared.families.iter().filter(|(_, f)| !f.is_empty()) {
            taken.insert(name::exposed(name, *shape, family.unit()));
            reading.metrics.push(family.read(*shape));
        }
        for ((name, shape), family) in &asked.families {
            if taken.contains(name) {
                reading.left_out.push((name.clone(), *shape));
            } else {
                reading.metrics.push(family.read(*shape));
            }
        }
        reading
    }

    /// Registers a histogram, to be recorded into with exemplars.
    #[must_use]
    pub fn histogram(&self, key: &Key) -> Observations {
        let bounds = || Arc::new(Buckets::new(Arc::new([])));
        let buckets = self.register(Shape::Histogram, key).into_buckets();
        Observations { buckets: buckets.unwrap_or_else(bounds) }
    }

    /// Adds what `count` returns to a gauge whenever it is read.
    pub(crate) fn count(&self, key: &Key, count: Count) {
        if let Some(level) = self.register(Shape::Gauge, key).into_level() {
            level.count(count);
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // No code that can panic runs under the lock.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn describe(&self, shape: Shape, name: &KeyName, unit: Option<Unit>, help: &str) {
        let mut shared = self.shared();
        let name = name.as_str();
        let filed = (name::metric(name), shape);
        shared.families.entry(filed).or_insert_with(|| Family::new(name)).describe(unit, help);
    }

    fn register(&self, shape: Shape, key: &Key) -> Cell {
        let mut shared = self.shared();
        let Shared { families, buckets, default, limit, .. } = &mut *shared;
        let name = name::metric(key.name());
        let family =
            families.entry((name.clone(), shape)).or_insert_with(|| Family::new(key.name()));
        let exposed = || name::exposed(&name, shape, family.unit());
        let bounds = buckets.get(&name).or_else(|| buckets.get(&exposed())).unwrap_or(default);
        let new = || match shape {
            Shape::Counter => Cell::counter(),
            Shape::Gauge => Cell::gauge(),
            Shape::Histogram => Cell::histogram(bounds),
        };
        let labels = key.labels().map(|label| (label.key(), label.value()));
        family.series(labels, shape, *limit, new).clone()
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = self.shared();
        f.debug_struct("Registry")
            .field("metrics", &shared.families.len())
            .field("components", &shared.components.len())
            .field("limit", &shared.limit)
            .finish_non_exhaustive()
    }
}

impl Recorder for Registry {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(Shape::Counter, &name, unit, &description);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(Shape::Gauge, &name, unit, &description);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(Shape::Histogram, &name, unit, &description);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.register(Shape::Counter, key).into_counter()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.register(Shape::Gauge, key).into_gauge()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> metrics::Histogram {
        metrics::Histogram::from_arc(self.histogram(key).buckets)
    }
}

// ===== impl Observations =====

impl Observations {
    /// Records a value.
    #[inline]
    pub fn record(&self, value: f64) {
        self.buckets.record(value);
    }

    /// Records a value, with the trace that is an example of such.
    ///
    /// The first of a series sets aside room for one exemplar in each bucket.
    pub fn record_traced(&self, value: f64, trace: Trace) {
        self.buckets.record_traced(value, trace);
    }
}

impl fmt::Debug for Observations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observations").finish_non_exhaustive()
    }
}

// ===== impl Shape =====

impl Shape {
    /// Returns the name: `counter`, `gauge`, `histogram`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}
