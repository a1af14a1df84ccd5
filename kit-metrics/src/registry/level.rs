use metrics::GaugeFn;
use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

/// Counts what is there now; `None` once there will be nothing any more.
pub(crate) type Count = Box<dyn Fn() -> Option<usize> + Send + Sync>;

/// A gauge that is cheap to count with: a step by a whole number, which is
/// what things in flight take, is one atomic addition.
#[derive(Default)]
pub(super) struct Level {
    steps: AtomicI64,
    /// What `set` and broken steps come to beside the steps: the bits of an
    /// `f64`.
    rest: AtomicU64,
    /// What is counted when it is read, and costs nothing until then.
    counted: Mutex<Vec<Count>>,
}

// ===== impl Level =====

impl Level {
    #[expect(clippy::cast_precision_loss, reason = "a gauge is an f64")]
    fn steps(&self) -> f64 {
        self.steps.load(Ordering::Relaxed) as f64
    }

    pub(super) fn value(&self) -> f64 {
        let counted = self.counted();
        self.steps() + f64::from_bits(self.rest.load(Ordering::Relaxed)) + counted
    }

    /// Adds what `count` returns whenever the level is read.
    pub(super) fn count(&self, count: Count) {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner).push(count);
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is an f64")]
    fn counted(&self) -> f64 {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut total = 0;
        counted.retain(|count| count().map(|count| total += count).is_some());
        total as f64
    }

    fn add(&self, value: f64) {
        // A cast that loses nothing casts back to the same bits; -0 does not.
        #[expect(clippy::cast_possible_truncation, reason = "that is the question")]
        let step = value as i32;
        if f64::from(step).to_bits() == value.to_bits() {
            self.steps.fetch_add(step.into(), Ordering::Relaxed);
            return;
        }
        let add = |bits| (f64::from_bits(bits) + value).to_bits();
        let mut bits = self.rest.load(Ordering::Relaxed);
        while let Err(now) =
            self.rest.compare_exchange_weak(bits, add(bits), Ordering::Relaxed, Ordering::Relaxed)
        {
            bits = now;
        }
    }
}

impl fmt::Debug for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Level").field("value", &self.value()).finish_non_exhaustive()
    }
}

impl GaugeFn for Level {
    fn increment(&self, value: f64) {
        self.add(value);
    }

    fn decrement(&self, value: f64) {
        self.add(-value);
    }

    fn set(&self, value: f64) {
        // One store, so that nobody reads a level that never was.
        self.rest.store((value - self.steps()).to_bits(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::Level;
    use metrics::GaugeFn;

    #[test]
    fn whole_and_broken_steps_add_up() {
        let level = Level::default();
        level.increment(2.0);
        level.increment(0.5);
        level.decrement(1.0);
        assert_eq!(level.value().to_bits(), 1.5_f64.to_bits());
        level.increment(3e9);
        assert_eq!(level.value().to_bits(), 3_000_000_001.5_f64.to_bits());
    }

    #[test]
    fn what_is_set_stands_whatever_came_before() {
        let level = Level::default();
        level.increment(5.0);
        for value in [2.5, f64::INFINITY, -7.0] {
            level.set(value);
            assert_eq!(level.value().to_bits(), value.to_bits());
        }
        level.increment(1.0);
        assert_eq!(level.value().to_bits(), (-6.0_f64).to_bits());
    }
}
