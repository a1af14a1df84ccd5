use crate::registry::Histogram;
use std::collections::BTreeMap;

/// A name, and its labels sorted.
type Id = (String, Vec<(String, String)>);

/// What a receiver has got, added up.
///
/// How the protocol says it is one of the methods: counters as totals or as
/// what was added, histograms as buckets, as values or as figures.
#[derive(Debug, Clone, Default)]
pub struct Received {
    counters: BTreeMap<Id, u64>,
    gauges: BTreeMap<Id, f64>,
    histograms: BTreeMap<Id, Distribution>,
    values: BTreeMap<Id, Vec<(f64, u64)>>,
}

/// What a histogram was said to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distribution {
    /// How many values there are.
    pub count: u64,
    /// Their sum, if the protocol has it.
    pub sum: Option<f64>,
    /// The values that 50, 90, 95 and 99 % are at most, if the protocol has
    /// them.
    pub quantiles: Option<[f64; 4]>,
}

/// Which quantiles are looked at.
const QUANTILES: [f64; 4] = [0.5, 0.9, 0.95, 0.99];

// ===== impl Received =====

impl Received {
    /// Takes a counter's total.
    pub fn total(&mut self, name: &str, labels: &[(String, String)], total: u64) {
        self.counters.insert(id(name, labels), total);
    }

    /// Takes what came to a counter.
    pub fn added(&mut self, name: &str, labels: &[(String, String)], added: u64) {
        *self.counters.entry(id(name, labels)).or_default() += added;
    }

    /// Takes a gauge's level.
    pub fn level(&mut self, name: &str, labels: &[(String, String)], level: f64) {
        self.gauges.insert(id(name, labels), level);
    }

    /// Takes a step of a gauge.
    pub fn step(&mut self, name: &str, labels: &[(String, String)], step: f64) {
        *self.gauges.entry(id(name, labels)).or_default() += step;
    }

    /// Takes all of a histogram by its buckets.
    pub fn buckets(&mut self, name: &str, labels: &[(String, String)], histogram: &Histogram) {
        let [a, b, c, d] = QUANTILES.map(|q| histogram.quantile(q));
        let quantiles = a.zip(b).zip(c.zip(d)).map(|((a, b), (c, d))| [a, b, c, d]);
        let (count, sum) = (histogram.count(), Some(histogram.sum));
        self.distribution(name, labels, Distribution { count, sum, quantiles });
    }

    /// Takes all of a histogram by what is said of it.
    pub fn distribution(
        &mut self,
        name: &str,
        labels: &[(String, String)],
        distribution: Distribution,
    ) {
        self.histograms.insert(id(name, labels), distribution);
    }

    /// Takes a value that came to a histogram so many times.
    pub fn value(&mut self, name: &str, labels: &[(String, String)], value: f64, times: u64) {
        self.values.entry(id(name, labels)).or_default().push((value, times));
    }

    /// Returns a counter's total, with exactly these labels in any order.
    #[must_use]
    pub fn counter(&self, name: &str, labels: &[(&str, &str)]) -> Option<u64> {
        self.counters.get(&borrowed(name, labels)).copied()
    }

    /// Returns a gauge's level.
    #[must_use]
    pub fn gauge(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.gauges.get(&borrowed(name, labels)).copied()
    }

    /// Returns what a histogram comes to.
    #[must_use]
    pub fn histogram(&self, name: &str, labels: &[(&str, &str)]) -> Option<Distribution> {
        let id = borrowed(name, labels);
        self.histograms.get(&id).copied().or_else(|| self.values.get(&id).map(|all| of(all)))
    }
}

/// Computes what values, each so many times, come to.
#[expect(clippy::cast_precision_loss, reason = "it is an estimate")]
fn of(values: &[(f64, u64)]) -> Distribution {
    let mut values = values.to_vec();
    values.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let count = values.iter().map(|(_, times)| times).sum::<u64>();
    let sum = values.iter().map(|(value, times)| value * *times as f64).sum();
    let quantile = |q: f64| {
        let mut below = 0;
        let found = values.iter().find(|(_, times)| {
            below += times;
            below as f64 >= q * count as f64
        });
        found.map_or(f64::NAN, |(value, _)| *value)
    };
    Distribution { count, sum: Some(sum), quantiles: Some(QUANTILES.map(quantile)) }
}

fn id(name: &str, labels: &[(String, String)]) -> Id {
    let mut labels = labels.to_vec();
    labels.sort();
    (name.to_owned(), labels)
}

fn borrowed(name: &str, labels: &[(&str, &str)]) -> Id {
    let labels: Vec<_> =
        labels.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    id(name, &labels)
}
