use metrics::HistogramFn;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// A histogram with fixed buckets: recording is two atomic operations.
pub(super) struct Buckets {
    bounds: Arc<[f64]>,
    /// How many values fell into each bucket, the infinite one last. They are
    /// added up when they are read, so that no reader sees a count that does
    /// not agree with them.
    counts: Box<[AtomicU64]>,
    /// The bits of an `f64`.
    sum: AtomicU64,
}

/// What a histogram held when it was read.
pub(super) struct Snapshot<'a> {
    bounds: &'a [f64],
    counts: Vec<u64>,
    pub(super) sum: f64,
}

/// Sorts the upper bounds, and drops what cannot be one.
pub(super) fn bounds(bounds: &[f64]) -> Arc<[f64]> {
    // Adding 0 makes -0 the same bound as 0.
    let finite = bounds.iter().filter(|bound| bound.is_finite()).map(|bound| bound + 0.0);
    let mut bounds: Vec<f64> = finite.collect();
    bounds.sort_by(f64::total_cmp);
    bounds.dedup_by(|a, b| a.total_cmp(b).is_eq());
    bounds.into()
}

// ===== impl Buckets =====

impl Buckets {
    pub(super) fn new(bounds: Arc<[f64]>) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    pub(super) fn snapshot(&self) -> Snapshot<'_> {
        let sum = f64::from_bits(self.sum.load(Ordering::Relaxed));
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        Snapshot { bounds: &self.bounds, counts, sum }
    }

    fn add(&self, value: f64, count: u64, sum: f64) {
        if !value.is_finite() {
            return;
        }
        // Not by halves: most calls are quick, so most searches end early, and
        // where the last one did.
        let bucket = self.bounds.iter().take_while(|bound| value > **bound).count();
        self.counts[bucket].fetch_add(count, Ordering::Relaxed);
        let add = |bits: u64| (f64::from_bits(bits) + sum).to_bits();
        let mut bits = self.sum.load(Ordering::Relaxed);
        while let Err(now) =
            self.sum.compare_exchange_weak(bits, add(bits), Ordering::Relaxed, Ordering::Relaxed)
        {
            bits = now;
        }
    }
}

impl HistogramFn for Buckets {
    fn record(&self, value: f64) {
        self.add(value, 1, value);
    }

    #[expect(clippy::cast_precision_loss, reason = "a sum is not exact")]
    fn record_many(&self, value: f64, count: usize) {
        self.add(value, count as u64, value * count as f64);
    }
}

// ===== impl Snapshot =====

impl Snapshot<'_> {
    /// Returns how many values were at most each bound, the infinite one last.
    pub(super) fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        bounds.zip(&self.counts).scan(0, |total, (bound, count)| {
            *total += count;
            Some((bound, *total))
        })
    }

    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}
