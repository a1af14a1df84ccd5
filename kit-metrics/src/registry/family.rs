use super::{
    Shape,
    histogram::Buckets,
    level::Level,
    name,
    reading::{Metric, Series, Value},
};
use kit_endpoint::Inspector;
use metrics::{Counter, CounterFn, Gauge, GaugeFn, Unit};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// What a set of labels is filed under: the names that Prometheus has for
/// them, sorted, each once.
type Filed = BTreeMap<String, String>;

/// What labels past the limit share.
const OTHER: &str = "other";

/// The metrics of one name.
#[derive(Default)]
pub(super) struct Family {
    name: String,
    unit: Option<Unit>,
    help: String,
    series: BTreeMap<Filed, Entry>,
}

struct Entry {
    labels: Arc<[(String, String)]>,
    cell: Cell,
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
    pub(super) families: BTreeMap<(String, Shape), Family>,
    limit: usize,
}

// ===== impl Family =====

impl Family {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

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

    pub(super) fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Returns the cell of these labels; of two that Prometheus has one name
    /// for, the last counts.
    pub(super) fn series<'a>(
        &mut self,
        labels: impl Iterator<Item = (&'a str, &'a str)>,
        shape: Shape,
        limit: usize,
        new: impl Fn() -> Cell,
    ) -> &Cell {
        let mut names = BTreeMap::new();
        let mut filed = Filed::new();
        for (name, value) in labels {
            let known = name::label(name, shape);
            names.insert(known.clone(), name);
            filed.insert(known, value.to_owned());
        }
        // What has no labels is one series, and cannot grow.
        if self.series.len() >= limit && !filed.is_empty() && !self.series.contains_key(&filed) {
            for value in filed.values_mut() {
                OTHER.clone_into(value);
            }
        }
        let entry = self.series.entry(filed).or_insert_with_key(|filed| {
            let labels = names.values().zip(filed.values());
            let labels = labels.map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            Entry { labels, cell: new() }
        });
        &entry.cell
    }

    pub(super) fn read(&self, shape: Shape) -> Metric {
        let series = self.series.values();
        let series = series.map(|Entry { labels, cell }| Series {
            labels: Arc::clone(labels),
            value: match cell {
                Cell::Counter(count) => Value::Counter(count.load(Ordering::Relaxed)),
                Cell::Gauge(level) => Value::Gauge(level.value()),
                Cell::Histogram(buckets) => Value::Histogram(buckets.read()),
            },
        });
        Metric {
            name: self.name.clone(),
            unit: self.unit,
            help: self.help.clone(),
            shape,
            series: series.collect(),
        }
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

    pub(super) fn into_level(self) -> Option<Arc<Level>> {
        match self {
            Self::Gauge(level) => Some(level),
            Self::Counter(_) | Self::Histogram(_) => None,
        }
    }

    pub(super) fn into_buckets(self) -> Option<Arc<Buckets>> {
        match self {
            Self::Histogram(buckets) => Some(buckets),
            Self::Counter(_) | Self::Gauge(_) => None,
        }
    }
}

// ===== impl Asked =====

impl Asked {
    pub(super) const fn new(limit: usize) -> Self {
        Self { families: BTreeMap::new(), limit }
    }

    fn series(
        &mut self,
        shape: Shape,
        name: &str,
        help: &str,
        labels: &[(&str, &str)],
        new: impl Fn() -> Cell,
    ) -> &Cell {
        let filed = (name::exposed(name, shape, None), shape);
        let family = self.families.entry(filed).or_insert_with(|| Family::new(name));
        family.describe(None, help);
        family.series(labels.iter().copied(), shape, self.limit, new)
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
