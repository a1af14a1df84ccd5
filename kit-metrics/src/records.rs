//! Handles that take exemplars, of whatever recorder knows what to do with them.

use crate::{Fanout, METADATA, Prometheus, Registry, Trace, registry::Observations};
use metrics::{Key, Recorder};
use std::any::Any;

/// A recorder that is one of ours or is not.
pub(crate) trait Records: Recorder + Send + Sync {
    fn observations(&self, key: &Key) -> Histogram;

    /// Returns the registry that all of it is recorded into, if it is one.
    fn registry(&self) -> Option<&Registry>;
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
        if let Some(registry) = Records::registry(self) {
            return Histogram::Ours(registry.histogram(key));
        }
        let recorder: &dyn Any = self;
        if let Some(fanout) = recorder.downcast_ref::<Fanout>() {
            return Histogram::Many(fanout.recorders().map(|one| one.observations(key)).collect());
        }
        Histogram::Other(self.register_histogram(key, &METADATA))
    }

    fn registry(&self) -> Option<&Registry> {
        let recorder: &dyn Any = self;
        let metrics = recorder.downcast_ref::<Prometheus>();
        metrics.map(Prometheus::registry).or_else(|| recorder.downcast_ref())
    }
}

// ===== impl Histogram =====

impl Histogram {
    #[inline]
    pub(crate) fn record(&self, value: f64) {
        match self {
            Self::Ours(ours) => ours.record(value),
            Self::Other(other) => other.record(value),
            Self::Many(many) => many.iter().for_each(|one| one.record(value)),
        }
    }

    /// Records a value with its trace, which few calls have.
    #[cold]
    pub(crate) fn record_traced(&self, value: f64, trace: Trace) {
        match self {
            Self::Ours(ours) => ours.record_traced(value, trace),
            Self::Other(other) => other.record(value),
            Self::Many(many) => many.iter().for_each(|one| one.record_traced(value, trace)),
        }
    }
}
