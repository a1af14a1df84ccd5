//! The page that Prometheus scrapes.
//!
//! A [`Prometheus`] is a recorder of the `metrics` facade, a
//! [`Registry`] that can be read as a page: whatever registers
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
//! # Formats
//!
//! The text format 0.0.4, and OpenMetrics 1.0, which says units and carries
//! exemplars: behind a bucket the trace (`trace_id`, `span_id`) of a call that
//! fell into it. Prometheus asks for OpenMetrics, and keeps exemplars where it
//! runs with `--enable-feature=exemplar-storage`. [`Prometheus::service`]
//! answers as it is asked. OpenMetrics knows no comments, so that what is left
//! out there for its name is so without a word, and the times at which series
//! were created (`_created`), which it may have, are not written: Prometheus
//! takes each for a series more.
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

mod format;
mod page;
mod text;

pub use self::{format::Format, page::Page};
pub use crate::registry::DURATION_BUCKETS;

use self::text::Text;
use crate::Registry;
use kit_endpoint::Inspect;
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// A recorder that renders what it recorded as Prometheus reads it.
///
/// See the [module](self) for what it does. Clones share everything.
#[derive(Debug, Clone, Default)]
pub struct Prometheus {
    registry: Registry,
}

// ===== impl Prometheus =====

impl Prometheus {
    /// The media type of the page that [`render`](Self::render) makes, for the
    /// header `content-type`.
    pub const CONTENT_TYPE: &'static str = Format::Text.content_type();

    /// Creates a recorder without metrics.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Renders what `registry` holds, which others may read as well.
    #[must_use]
    pub const fn of(registry: Registry) -> Self {
        Self { registry }
    }

    /// Returns where the metrics are kept, for whoever else is to read them.
    #[must_use]
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Gives the histogram `name` buckets with these upper bounds: in any
    /// order, and without the last, which is infinite. It concerns what is
    /// registered from now on.
    #[must_use]
    pub fn buckets(self, name: &str, bounds: &[f64]) -> Self {
        Self { registry: self.registry.buckets(name, bounds) }
    }

    /// Allows each metric `series` sets of labels: 2000 by default, as
    /// OpenTelemetry does.
    #[must_use]
    pub fn limit(self, series: usize) -> Self {
        Self { registry: self.registry.limit(series) }
    }

    /// Asks `component` for what it knows whenever the page is made.
    ///
    /// Where several say the same counter with the same labels, it is their
    /// sum; of a gauge, the last counts.
    pub fn collect(&self, component: impl Inspect + 'static) {
        self.registry.collect(component);
    }

    /// Makes the page, in the text format 0.0.4: sorted, so that what did not
    /// change reads the same.
    ///
    /// Recording goes on meanwhile. The buckets and the count of a histogram
    /// always agree; its sum may be ahead by what was just recorded.
    #[must_use]
    pub fn render(&self) -> String {
        self.render_as(Format::Text)
    }

    /// Makes the page in a format.
    #[must_use]
    pub fn render_as(&self, format: Format) -> String {
        Text::new(&self.registry.read(), format).render()
    }

    /// Returns a service that answers with the page, in the format that it is
    /// asked for.
    ///
    /// ```
    /// use kit_metrics::Prometheus;
    ///
    /// let metrics = Prometheus::new();
    /// let app: axum::Router = axum::Router::new().route_service("/metrics", metrics.service());
    /// # let _ = app;
    /// ```
    #[must_use]
    pub fn service(&self) -> Page {
        Page::new(self.clone())
    }
}

impl Recorder for Prometheus {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        self.registry.describe_counter(name, unit, description);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        self.registry.describe_gauge(name, unit, description);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, description: SharedString) {
        self.registry.describe_histogram(name, unit, description);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.registry.register_counter(key, metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.registry.register_gauge(key, metadata)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.registry.register_histogram(key, metadata)
    }
}
