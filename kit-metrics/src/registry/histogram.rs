use super::{
    exemplar::Slot,
    reading::{Exemplar, Histogram},
};
use crate::Trace;
use metrics::HistogramFn;
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

/// A histogram with fixed buckets: recording is two atomic operations.
pub(crate) struct Buckets {
    bounds: Arc<[f64]>,
    /// How many values fell into each bucket, the infinite one last. They are
    /// added up when they are read, so that no reader sees a count that does
    /// not agree with them.
    counts: Box<[AtomicU64]>,
    /// The bits of an `f64`.
    sum: AtomicU64,
    /// The newest exemplar of each bucket. Most series have none ever.
    exemplars: OnceLock<Box<[Slot]>>,
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
        Self { bounds, counts, sum: AtomicU64::new(0), exemplars: OnceLock::new() }
    }

    /// Records `value`, for which `trace` is an example.
    pub(crate) fn record_traced(&self, value: f64, trace: Trace) {
        let Some(bucket) = self.add(value, 1, value) else { return };
        let exemplars =
            self.exemplars.get_or_init(|| self.counts.iter().map(|_| Slot::new()).collect());
        let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let nanos = u64::try_from(at.as_nanos()).unwrap_or_default();
        let [high, low, span] = trace.words();
        exemplars[bucket].write([high, low, span, value.to_bits(), nanos]);
    }

    pub(super) fn read(&self) -> Histogram {
        let sum = f64::from_bits(self.sum.load(Ordering::Relaxed));
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let exemplars = self.exemplars.get().map(|slots| slots.iter().map(read).collect());
        Histogram {
            bounds: Arc::clone(&self.bounds),
            counts,
            sum,
            exemplars: exemplars.unwrap_or_default(),
        }
    }

    fn add(&self, value: f64, count: u64, sum: f64) -> Option<usize> {
        if !value.is_finite() {
            return None;
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
        Some(bucket)
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

fn read(slot: &Slot) -> Option<Exemplar> {
    let [high, low, span, value, nanos] = slot.read()?;
    Some(Exemplar {
        trace: Trace::of_words([high, low, span])?,
        value: f64::from_bits(value),
        at: SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos),
    })
}
