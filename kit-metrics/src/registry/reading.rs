use super::Shape;
use crate::Trace;
use metrics::Unit;
use std::{sync::Arc, time::SystemTime};

/// What a [`Registry`](super::Registry) held at one time.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Reading {
    /// The metrics: those that were registered by name, then what components
    /// said. Each has at least one series.
    pub metrics: Vec<Metric>,
    /// When it was read.
    pub at: SystemTime,
    /// When the registry was made, which is when its counters began at 0.
    pub started: SystemTime,
    /// What a component said under the name of another metric.
    pub(crate) left_out: Vec<(String, Shape)>,
}

/// The series of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// The name as it was registered, dots and all.
    pub name: String,
    /// The unit that it was described with.
    pub unit: Option<Unit>,
    /// What it is; empty where nobody described it.
    pub help: String,
    /// What its series are. It is said here too, so that no series need be
    /// asked.
    pub shape: Shape,
    /// Its values by their labels, in the order of the labels.
    pub series: Vec<Series>,
}

/// The value of one set of labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The labels as they were registered, each name once, in their order.
    pub labels: Arc<[(String, String)]>,
    /// What was recorded.
    pub value: Value,
}

/// A value that was recorded.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A count that never goes down.
    Counter(u64),
    /// A value that goes up and down.
    Gauge(f64),
    /// How many values fell where.
    Histogram(Histogram),
}

/// What a histogram held.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// The upper bounds of its buckets, rising and finite; a bound belongs to
    /// its bucket.
    pub bounds: Arc<[f64]>,
    /// How many values fell into each bucket, not added up. There is one more
    /// than bounds: that without one comes last.
    pub counts: Vec<u64>,
    /// The sum of the values. It may be ahead of the counts by what was just
    /// recorded.
    pub sum: f64,
    /// An example for each bucket that has one, in their order; empty if none
    /// has.
    pub exemplars: Vec<Option<Exemplar>>,
}

/// A value that was recorded, and the trace that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Exemplar {
    /// The trace, which was sampled.
    pub trace: Trace,
    /// The value.
    pub value: f64,
    /// When it was recorded.
    pub at: SystemTime,
}

// ===== impl Reading =====

impl Reading {
    /// Makes one of what you have: for tests of exporters.
    #[must_use]
    pub const fn new(metrics: Vec<Metric>, at: SystemTime, started: SystemTime) -> Self {
        Self { metrics, at, started, left_out: Vec::new() }
    }

    /// Returns the value of a metric with exactly these labels, in any order.
    #[must_use]
    pub fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<&Value> {
        let is = |series: &Series| {
            series.labels.len() == labels.len()
                && series.labels.iter().all(|(name, value)| {
                    labels.iter().any(|(other, wanted)| name == other && value == wanted)
                })
        };
        let metrics = self.metrics.iter().filter(|metric| metric.name == name);
        metrics.flat_map(|metric| &metric.series).find(|series| is(series)).map(|s| &s.value)
    }
}

// ===== impl Histogram =====

impl Histogram {
    /// Returns how many values there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Returns how many values were at most each bound, the infinite one last.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        bounds.zip(&self.counts).scan(0, |total, (bound, count)| {
            *total += count;
            Some((bound, *total))
        })
    }

    /// Estimates the value that the share `q` of all values is at most, from 0
    /// to 1: as Prometheus' `histogram_quantile` does, evenly within a bucket,
    /// of which the first begins at 0 (or has no width if its bound is not
    /// positive). What is past the last bound counts as that bound.
    ///
    /// `None` where there are no values, or no bounds.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "it is an estimate")]
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let (count, last) = (self.count(), *self.bounds.last()?);
        if count == 0 {
            return None;
        }
        let rank = q.clamp(0.0, 1.0) * count as f64;
        let mut below = 0;
        let mut start = self.bounds.first().map_or(0.0, |first| first.min(0.0));
        for (bound, count) in self.bounds.iter().zip(&self.counts) {
            let here = below + count;
            if *count > 0 && here as f64 >= rank {
                let share = (rank - below as f64).max(0.0) / *count as f64;
                return Some((bound - start).mul_add(share, start));
            }
            (below, start) = (here, *bound);
        }
        Some(last)
    }
}
