use super::{histogram::Buckets, level::Level, name};
use kit_endpoint::Inspector;
use metrics::{Counter, CounterFn, Gauge, GaugeFn, Histogram, Unit};
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicU64},
};

/// What a set of labels is filed under: sorted, each name once.
pub(super) type Labels = BTreeMap<String, String>;

/// What labels past the limit share.
const OTHER: &str = "other";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shape {
    Counter,
    Gauge,
    Histogram,
}

/// The metrics of one name.
#[derive(Default)]
pub(super) struct Family {
    unit: Option<Unit>,
    help: String,
    series: BTreeMap<Labels, Cell>,
}

/// The value of one set of labels.
#[derive(Clone)]
pub(super) enum Cell {
    Counter(Arc<AtomicU64>),
    Gauge(Arc<Level>),
    Histogram(Arc<Buckets>),
}

/// What components said when they were asked.
pub(super) struct Asked {
    families: BTreeMap<(String, Shape), Family>,
    limit: usize,
}

// ===== impl Shape =====

impl Shape {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

// ===== impl Family =====

impl Family {
    /// The first description stays: two of one name come from two callers of
    /// one library, and say the same.
    pub(super) fn describe(&mut self, unit: Option<Unit>, help: &str) {
        self.unit = self.unit.or(unit);
        if self.help.is_empty() {
            help.clone_into(&mut self.help);
        }
    }

    pub(super) const fn unit(&self) -> Option<Unit> {
        self.unit
    }

    pub(super) fn help(&self) -> &str {
        &self.help
    }

    pub(super) const fn all(&self) -> &BTreeMap<Labels, Cell> {
        &self.series
    }

    pub(super) fn series(
        &mut self,
        mut labels: Labels,
        limit: usize,
        new: impl Fn() -> Cell,
    ) -> &Cell {
        // What has no labels is one series, and cannot grow.
        if self.series.len() >= limit && !labels.is_empty() && !self.series.contains_key(&labels) {
            for value in labels.values_mut() {
                OTHER.clone_into(value);
            }
        }
        self.series.entry(labels).or_insert_with(new)
    }
}

// ===== impl Cell =====

impl Cell {
    pub(super) fn counter() -> Self {
        Self::Counter(Arc::new(AtomicU64::new(0)))
    }

    pub(super) fn gauge() -> Self {
        Self::Gauge(Arc::new(Level::default()))
    }

    pub(super) fn histogram(bounds: &Arc<[f64]>) -> Self {
        Self::Histogram(Arc::new(Buckets::new(Arc::clone(bounds))))
    }

    pub(super) fn into_counter(self) -> Counter {
        match self {
            Self::Counter(count) => Counter::from_arc(count),
            Self::Gauge(_) | Self::Histogram(_) => Counter::noop(),
        }
    }

    pub(super) fn into_gauge(self) -> Gauge {
        match self {
            Self::Gauge(level) => Gauge::from_arc(level),
            Self::Counter(_) | Self::Histogram(_) => Gauge::noop(),
        }
    }

    pub(super) fn into_histogram(self) -> Histogram {
        match self {
            Self::Histogram(buckets) => Histogram::from_arc(buckets),
            Self::Counter(_) | Self::Gauge(_) => Histogram::noop(),
        }
    }
}

// ===== impl Asked =====

impl Asked {
    pub(super) const fn new(limit: usize) -> Self {
        Self { families: BTreeMap::new(), limit }
    }

    pub(super) const fn families(&self) -> &BTreeMap<(String, Shape), Family> {
        &self.families
    }

    fn series(
        &mut self,
        shape: Shape,
        name: &str,
        help: &str,
        labels: &[(&str, &str)],
        new: impl Fn() -> Cell,
    ) -> &Cell {
        let name = name::exposed(&name::metric(name), shape, None);
        let family = self.families.entry((name, shape)).or_default();
        family.describe(None, help);
        let labels = name::labels(labels.iter().copied(), shape);
        family.series(labels, self.limit, new)
    }
}

impl Inspector for Asked {
    fn counter(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: u64) {
        if let Cell::Counter(count) = self.series(Shape::Counter, name, help, labels, Cell::counter)
        {
            CounterFn::increment(&**count, value);
        }
    }

    fn gauge(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        if let Cell::Gauge(level) = self.series(Shape::Gauge, name, help, labels, Cell::gauge) {
            level.set(value);
        }
    }
}
