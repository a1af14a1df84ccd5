//! The page that Prometheus scrapes.
//!
//! A [`Prometheus`] is a recorder of the `metrics` facade: whatever registers
//! metrics on it, they stand on the page that [`render`](Prometheus::render)
//! makes. What registers none but knows something all the same, a breaker or
//! an accept loop, is asked while the page is made, by
//! [`collect`](Prometheus::collect).
//!
//! ```
//! use kit_metrics::{Inspect, Inspector, Prometheus, Recorder};
//! use metrics::Key;
//!
//! struct Cache;
//!
//! impl Inspect for Cache {
//!     fn inspect(&self, inspector: &mut dyn Inspector) {
//!         inspector.gauge("cache_entries", "Entries in memory.", &[], 12.0);
//!     }
//! }
//!
//! let metrics = Prometheus::new().buckets("job_duration_seconds", &[1.0, 60.0]);
//! metrics.collect(Cache);
//! let metadata = metrics::Metadata::new("example", metrics::Level::INFO, None);
//! metrics.register_counter(&Key::from_name("jobs"), &metadata).increment(2);
//!
//! let page = metrics.render();
//! assert!(page.contains("cache_entries 12\n"), "{page}");
//! assert!(page.contains("jobs_total 2\n"), "{page}");
//! ```
//!
//! # Names
//!
//! Names and labels become what Prometheus takes: other characters than
//! letters, digits and `_` turn into `_`, the unit that a metric was described
//! with is its suffix (`http.server.duration` in seconds is
//! `http_server_duration_seconds`), and counters end in `_total`. Where two
//! metrics end up with one name, the first stands, and a comment on the page
//! says so.
//!
//! # Histograms
//!
//! They have fixed buckets, [`DURATION_BUCKETS`] unless
//! [`buckets`](Prometheus::buckets) says otherwise, and count in atomics:
//! nothing is buffered, so nothing needs upkeep, and memory does not grow with
//! traffic. Values that are not finite are dropped.
//!
//! # Bounds
//!
//! A metric has at most [`limit`](Prometheus::limit) sets of labels; those
//! that come later share one whose every value is `other`.

mod family;
mod histogram;
mod level;
mod name;
mod page;

use self::{
    family::{Cell, Family, Shape},
    page::Page,
};
use kit_endpoint::Inspect;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The upper bounds of a histogram's buckets, in seconds, that OpenTelemetry's
/// conventions advise for `http.server.request.duration`.
pub const DURATION_BUCKETS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// How many sets of labels a metric may have: OpenTelemetry's default.
const LIMIT: usize = 2000;

/// A recorder that renders what it recorded in Prometheus' text format.
///
/// See the [module](self) for what it does. Clones share everything.
#[derive(Clone)]
pub struct Prometheus {
    shared: Arc<Mutex<Shared>>,
}

/// Locked to register and to render, never to record.
struct Shared {
    families: BTreeMap<(String, Shape), Family>,
    buckets: HashMap<String, Arc<[f64]>>,
    default: Arc<[f64]>,
    components: Vec<Arc<dyn Inspect>>,
    limit: usize,
}

// ===== impl Prometheus =====

impl Prometheus {
    /// The media type of the page, for the header `content-type`.
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// Creates a recorder without metrics.
    #[must_use]
    pub fn new() -> Self {
        let shared = Shared {
            families: BTreeMap::new(),
            buckets: HashMap::new(),
            default: Arc::new(DURATION_BUCKETS),
            components: Vec::new(),
            limit: LIMIT,
        };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }

    /// Gives the histogram `name` buckets with these upper bounds: in any
    /// order, and without the last, which is infinite. It concerns what is
    /// registered from now on.
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

    /// Asks `component` for what it knows whenever the page is made.
    ///
    /// Where several say the same counter with the same labels, it is their
    /// sum; of a gauge, the last counts.
    pub fn collect(&self, component: impl Inspect + 'static) {
        self.shared().components.push(Arc::new(component));
    }

    /// Makes the page, in the text format 0.0.4: sorted, so that what did not
    /// change reads the same.
    ///
    /// Recording goes on meanwhile. The buckets and the count of a histogram
    /// always agree; its sum may be ahead by what was just recorded.
    #[must_use]
    pub fn render(&self) -> String {
        let (components, limit) = {
            let shared = self.shared();
            (shared.components.clone(), shared.limit)
        };
        // Not under the lock: a component may take its time, or register.
        let mut asked = family::Asked::new(limit);
        for component in &components {
            component.inspect(&mut asked);
        }
        let mut page = Page::default();
        let shared = self.shared();
        for ((name, shape), family) in &shared.families {
            page.add(name::exposed(name, *shape, family.unit()), *shape, family);
        }
        for ((name, shape), family) in asked.families() {
            page.add(name.clone(), *shape, family);
        }
        page.render()
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // No code that can panic runs under the lock.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn describe(&self, shape: Shape, name: &KeyName, unit: Option<Unit>, help: &str) {
        let mut shared = self.shared();
        let family = shared.families.entry((name::metric(name.as_str()), shape)).or_default();
        family.describe(unit, help);
    }

    fn register(&self, shape: Shape, key: &Key) -> Cell {
        let mut shared = self.shared();
        let Shared { families, buckets, default, limit, .. } = &mut *shared;
        let name = name::metric(key.name());
        let bounds = buckets.get(&name).unwrap_or(default);
        let new = || match shape {
            Shape::Counter => Cell::counter(),
            Shape::Gauge => Cell::gauge(),
            Shape::Histogram => Cell::histogram(bounds),
        };
        let labels = name::labels(key.labels().map(|label| (label.key(), label.value())), shape);
        families.entry((name, shape)).or_default().series(labels, *limit, new).clone()
    }
}

impl Default for Prometheus {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Prometheus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = self.shared();
        f.debug_struct("Prometheus")
            .field("metrics", &shared.families.len())
            .field("components", &shared.components.len())
            .field("limit", &shared.limit)
            .finish_non_exhaustive()
    }
}

impl Recorder for Prometheus {
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

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        self.register(Shape::Histogram, key).into_histogram()
    }
}
