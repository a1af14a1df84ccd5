use std::sync::Arc;

/// A component that says how it is when asked.
///
/// Breakers, limits, registries and accept loops implement it, and so may any
/// part of a program. kit-metrics turns what they say into metrics at
/// collection time and a debug port into JSON, so that none of them needs a
/// metrics crate or a global.
///
/// ```
/// use kit_endpoint::{Inspect, Inspector};
///
/// struct Cache {
///     hits: u64,
/// }
///
/// impl Inspect for Cache {
///     fn inspect(&self, inspector: &mut dyn Inspector) {
///         inspector.counter("cache_hits_total", "Look-ups answered from memory.", &[], self.hits);
///     }
/// }
/// ```
pub trait Inspect: Send + Sync {
    /// Writes the counters, gauges and states into `inspector`.
    ///
    /// It is called for each collection and must not block: read atomics, or
    /// hold a lock as long as it takes to copy.
    fn inspect(&self, inspector: &mut dyn Inspector);
}

/// What a component says itself into.
///
/// Names follow Prometheus: `snake_case`, the unit as suffix, `_total` for
/// counters. `help` is one sentence. Labels must come from a bounded set.
pub trait Inspector {
    /// Takes a count that never goes down.
    fn counter(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: u64);

    /// Takes a value that goes up and down.
    fn gauge(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: f64);

    /// Takes one of a few named states: metrics show it as a gauge of 1 with
    /// the label `state`.
    fn state(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: &str) {
        let mut all = labels.to_vec();
        all.push(("state", value));
        self.gauge(name, help, &all, 1.0);
    }
}

impl<T: Inspect + ?Sized> Inspect for Arc<T> {
    fn inspect(&self, inspector: &mut dyn Inspector) {
        (**self).inspect(inspector);
    }
}

impl<T: Inspect + ?Sized> Inspect for &T {
    fn inspect(&self, inspector: &mut dyn Inspector) {
        (**self).inspect(inspector);
    }
}

impl<T: Inspect> Inspect for [T] {
    fn inspect(&self, inspector: &mut dyn Inspector) {
        for part in self {
            part.inspect(inspector);
        }
    }
}
