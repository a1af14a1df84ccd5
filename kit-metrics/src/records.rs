//! Handles that take exemplars, of whatever recorder knows what to do with them.

use crate::{Fanout, METADATA, Prometheus, Registry, Trace, registry::Observations};
use metrics::{Key, Recorder};
use std::any::Any;

/// A recorder that is one of ours or is not.
pub(crate) trait Records: Recorder + Send + Sync {
    fn observations(&self, key: &Key) -> Histogram;
}

pub(crate) type DynRecorder = dyn Records;

/// A histogram of whatever recorder.
pub(crate) enum Histogram {
    Ours(Observations),
    Other(metrics::Histogram),
    Many(Box<[Self]>),
}

impl<R: Recorder + Send + Sync + 'static> Records for R {
    fn observations(&self, key: &Key) -> Histogram {
        let recorder: &dyn Any = self;
        if let Some(metrics) = recorder.downcast_ref::<Prometheus>() {
            return Histogram::Ours(metrics.registry().histogram(key));
        }
        if let Some(registry) = recorder.downcast_ref::<Registry>() {
            return Histogram::Ours(registry.histogram(key));
        }
        if let Some(fanout) = recorder.downcast_ref::<Fanout>() {
            return Histogram::Many(fanout.recorders().map(|one| one.observations(key)).collect());
        }
        Histogram::Other(self.register_histogram(key, &METADATA))
    }
}

// ===== impl Histogram =====

impl Histogram {
    #[inline]
    pub(crate) fn record(&self, value: f64, trace: Option<Trace>) {
        match (self, trace) {
            (Self::Ours(ours), None) => ours.record(value),
            (Self::Ours(ours), Some(trace)) => ours.record_traced(value, trace),
            (Self::Other(other), _) => other.record(value),
            (Self::Many(many), _) => many.iter().for_each(|one| one.record(value, trace)),
        }
    }
}
