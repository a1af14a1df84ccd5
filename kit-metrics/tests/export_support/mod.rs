//! Readings for the exporters' tests.

#![allow(dead_code, reason = "not every test uses all of it")]

use kit_metrics::registry::{Histogram, Metric, Reading, Series, Shape, Value};
use metrics::Unit;
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

/// When the first reading is: a second that everyone knows.
pub(crate) const AT: u64 = 1_234_567_890;

pub(crate) fn metric(
    name: &str,
    unit: Option<Unit>,
    series: &[(&[(&str, &str)], Value)],
) -> Metric {
    let shape = match &series[0].1 {
        Value::Counter(_) => Shape::Counter,
        Value::Gauge(_) => Shape::Gauge,
        _ => Shape::Histogram,
    };
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let series = series.iter().map(|(labels, value)| Series {
        labels: labels.iter().map(own).collect(),
        value: value.clone(),
    });
    let help = format!("What {name} is.");
    Metric { name: name.to_owned(), unit, help, shape, series: series.collect() }
}

pub(crate) fn counter(name: &str, value: u64) -> Metric {
    metric(name, None, &[(&[], Value::Counter(value))])
}

pub(crate) fn gauge(name: &str, value: f64) -> Metric {
    metric(name, None, &[(&[], Value::Gauge(value))])
}

/// A histogram with the bounds 0.1 and 0.5.
pub(crate) fn histogram(counts: [u64; 3], sum: f64) -> Value {
    let (bounds, exemplars) = (Arc::new([0.1, 0.5]), Vec::new());
    Value::Histogram(Histogram { bounds, counts: counts.to_vec(), sum, exemplars })
}

/// A reading so many seconds after the first.
pub(crate) fn reading(seconds: u64, metrics: &[Metric]) -> Reading {
    let started = SystemTime::UNIX_EPOCH + Duration::from_secs(AT - 60);
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(AT + seconds);
    Reading::new(metrics.to_vec(), at, started)
}
