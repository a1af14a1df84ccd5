//! What was added since a server was last told.

use crate::registry::{Histogram, Metric, Reading, Series, Value};
use std::{collections::HashMap, sync::Arc};

pub(super) type Labels = Arc<[(String, String)]>;

/// After how many readings without it a series is forgotten: an hour of ticks
/// of 10 s. It keeps memory bounded where components come and go with labels of
/// their own.
const FORGET: u64 = 360;

/// What was told of each series, so that each event is told once.
#[derive(Debug, Default)]
pub(super) struct Deltas {
    counters: Book<u64>,
    histograms: Book<Counts>,
    readings: u64,
}

type Book<T> = HashMap<String, HashMap<Labels, Told<T>>>;

#[derive(Debug)]
struct Told<T> {
    total: T,
    /// The reading that it was last part of.
    reading: u64,
}

#[derive(Debug, Clone, Default)]
struct Counts {
    counts: Vec<u64>,
    sum: f64,
}

/// A series, and what was added to it.
#[derive(Debug)]
pub(super) struct Grown<'a> {
    pub(super) metric: &'a Metric,
    /// All of it, and its labels.
    pub(super) series: &'a Series,
    pub(super) by: By,
}

/// What was added; of a gauge, what it is.
#[derive(Debug)]
pub(super) enum By {
    Counter(u64),
    Gauge(f64),
    Histogram(Histogram),
}

/// How much of it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    All,
    /// So many values of a histogram, the least of those that were not told.
    #[cfg(any(feature = "statsd", feature = "dogstatsd"))]
    Values(u64),
}

// ===== impl Deltas =====

impl Deltas {
    /// Finds what was added; what is told of it, [`told`](Self::told) must be
    /// told.
    pub(super) fn grown<'a>(&mut self, reading: &'a Reading) -> Vec<Grown<'a>> {
        self.readings += 1;
        let now = self.readings;
        let mut all = Vec::new();
        for metric in &reading.metrics {
            for series in &metric.series {
                let Series { labels, value } = series;
                let by = match value {
                    Value::Counter(total) => {
                        let told = entry(&mut self.counters, &metric.name, labels, now);
                        // One that went back began anew.
                        if *total < *told {
                            *told = 0;
                        }
                        By::Counter(total - *told)
                    }
                    Value::Gauge(value) => By::Gauge(*value),
                    Value::Histogram(total) => {
                        let told = entry(&mut self.histograms, &metric.name, labels, now);
                        By::Histogram(told.grown(total))
                    }
                };
                all.push(Grown { metric, series, by });
            }
        }
        forget(&mut self.counters, now);
        forget(&mut self.histograms, now);
        all
    }

    /// Takes down that a part was told.
    pub(super) fn told(&mut self, grown: &Grown<'_>, part: Part) {
        let Grown { metric, series: Series { labels, .. }, by } = grown;
        let now = self.readings;
        match by {
            By::Counter(count) => *entry(&mut self.counters, &metric.name, labels, now) += count,
            By::Gauge(_) => {}
            By::Histogram(added) => {
                let told = entry(&mut self.histograms, &metric.name, labels, now);
                match part {
                    Part::All => told.add(added),
                    #[cfg(any(feature = "statsd", feature = "dogstatsd"))]
                    Part::Values(values) => {
                        if let Value::Histogram(total) = &grown.series.value {
                            told.add_least(total, values);
                        }
                    }
                }
            }
        }
    }
}

fn entry<'a, T: Default>(
    book: &'a mut Book<T>,
    name: &str,
    labels: &Labels,
    reading: u64,
) -> &'a mut T {
    let series = book.entry(name.to_owned()).or_default();
    let told =
        series.entry(Arc::clone(labels)).or_insert_with(|| Told { total: T::default(), reading });
    told.reading = reading;
    &mut told.total
}

fn forget<T>(book: &mut Book<T>, now: u64) {
    book.retain(|_, series| {
        series.retain(|_, told| now - told.reading <= FORGET);
        !series.is_empty()
    });
}

// ===== impl Counts =====

impl Counts {
    fn grown(&mut self, total: &Histogram) -> Histogram {
        let went_back = || self.counts.iter().zip(&total.counts).any(|(told, now)| now < told);
        if self.counts.len() != total.counts.len() || went_back() {
            *self = Self { counts: vec![0; total.counts.len()], sum: 0.0 };
        }
        let added = total.counts.iter().zip(&self.counts).map(|(now, told)| now - told);
        Histogram {
            bounds: Arc::clone(&total.bounds),
            counts: added.collect(),
            sum: total.sum - self.sum,
            exemplars: Vec::new(),
        }
    }

    fn add(&mut self, added: &Histogram) {
        for (told, added) in self.counts.iter_mut().zip(&added.counts) {
            *told += added;
        }
        self.sum += added.sum;
    }

    /// Adds `values` of those in `now` that are not here yet, the least first.
    #[cfg(any(feature = "statsd", feature = "dogstatsd"))]
    fn add_least(&mut self, now: &Histogram, mut values: u64) {
        for (told, now) in self.counts.iter_mut().zip(&now.counts) {
            let here = values.min(now.saturating_sub(*told));
            *told += here;
            values -= here;
        }
        // Nobody who tells values one by one tells their sum.
        self.sum = now.sum;
    }
}

#[cfg(test)]
mod tests {
    use super::{By, Deltas, FORGET, Grown, Part};
    use crate::registry::{Histogram, Metric, Reading, Series, Shape, Value};
    use std::{sync::Arc, time::SystemTime};

    fn reading(values: &[(&str, Value)]) -> Reading {
        let metric = |(label, value): &(&str, Value)| Metric {
            name: "m".to_owned(),
            unit: None,
            help: String::new(),
            shape: match value {
                Value::Counter(_) => Shape::Counter,
                Value::Gauge(_) => Shape::Gauge,
                Value::Histogram(_) => Shape::Histogram,
            },
            series: vec![Series {
                labels: Arc::new([("l".to_owned(), (*label).to_owned())]),
                value: value.clone(),
            }],
        };
        let now = SystemTime::UNIX_EPOCH;
        Reading::new(values.iter().map(metric).collect(), now, now)
    }

    fn histogram(counts: [u64; 3], sum: f64) -> Value {
        let (bounds, exemplars) = (Arc::new([1.0, 2.0]), Vec::new());
        Value::Histogram(Histogram { bounds, counts: counts.to_vec(), sum, exemplars })
    }

    fn counter(grown: &[Grown<'_>]) -> u64 {
        match &grown[0].by {
            By::Counter(count) => *count,
            other => panic!("{other:?}"),
        }
    }

    fn counts(grown: &[Grown<'_>]) -> Vec<u64> {
        match &grown[0].by {
            By::Histogram(added) => added.counts.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_was_not_told_is_part_of_the_next() {
        let mut deltas = Deltas::default();
        assert_eq!(counter(&deltas.grown(&reading(&[("a", Value::Counter(3))]))), 3);
        let later = reading(&[("a", Value::Counter(5))]);
        let grown = deltas.grown(&later);
        assert_eq!(counter(&grown), 5);
        deltas.told(&grown[0], Part::All);
        assert_eq!(counter(&deltas.grown(&later)), 0);
    }

    #[test]
    fn each_set_of_labels_has_its_own() {
        let mut deltas = Deltas::default();
        let both = reading(&[("a", Value::Counter(3)), ("b", Value::Counter(4))]);
        let grown = deltas.grown(&both);
        deltas.told(&grown[0], Part::All);
        let grown = deltas.grown(&both);
        assert_eq!((counter(&grown), counter(&grown[1..])), (0, 4));
    }

    #[test]
    fn a_counter_that_went_back_began_anew() {
        let mut deltas = Deltas::default();
        let before = reading(&[("a", Value::Counter(9))]);
        let grown = deltas.grown(&before);
        deltas.told(&grown[0], Part::All);
        assert_eq!(counter(&deltas.grown(&reading(&[("a", Value::Counter(2))]))), 2);
    }

    #[test]
    fn a_histogram_is_told_in_parts() {
        let mut deltas = Deltas::default();
        let values = reading(&[("a", histogram([2, 3, 1], 9.0))]);
        let grown = deltas.grown(&values);
        assert_eq!(counts(&grown), [2, 3, 1]);
        #[cfg(any(feature = "statsd", feature = "dogstatsd"))]
        {
            deltas.told(&grown[0], Part::Values(4));
            let grown = deltas.grown(&values);
            assert_eq!(counts(&grown), [0, 1, 1]);
        }
        let grown = deltas.grown(&values);
        deltas.told(&grown[0], Part::All);
        let later = reading(&[("a", histogram([2, 4, 1], 10.5))]);
        let grown = deltas.grown(&later);
        assert_eq!(counts(&grown), [0, 1, 0]);
        let By::Histogram(added) = &grown[0].by else { panic!() };
        assert_eq!(added.sum.to_bits(), 1.5_f64.to_bits());
    }

    #[test]
    fn a_series_that_is_gone_is_forgotten_in_the_end() {
        let mut deltas = Deltas::default();
        let seen = reading(&[("a", Value::Counter(9))]);
        let grown = deltas.grown(&seen);
        deltas.told(&grown[0], Part::All);
        for _ in 0..FORGET {
            deltas.grown(&reading(&[]));
        }
        assert_eq!(deltas.counters.len(), 1);
        deltas.grown(&reading(&[]));
        assert_eq!(deltas.counters.len(), 0);
    }
}
