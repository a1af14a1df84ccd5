use crate::{DynRecorder, METADATA, Trace, records::Histogram};
use kit_endpoint::Kind;
use metrics::{Gauge, Key, Label, Unit};
use std::{
    fmt,
    sync::{Arc, OnceLock},
};
use tokio::time::Instant;

/// The label whose value says how a call ended.
const KIND: &str = "kind";

/// The metrics of one layer, shared by all its services.
///
/// Calls are counted by who holds them: that takes an [`Arc`] of them anyhow,
/// and so a registry need only look at its count when it is read.
pub(super) struct Measures {
    calls: Arc<Calls>,
}

/// The metrics of one layer, shared by its calls.
pub(super) struct Calls {
    recorder: Box<DynRecorder>,
    duration: String,
    labels: Vec<Label>,
    /// Of a recorder that does not count calls when it is read.
    in_flight: Option<Gauge>,
    succeeded: Histogram,
    // A service fails in few of the many ways there are: only those get a
    // series.
    failed: [OnceLock<Histogram>; Kind::ALL.len()],
}

/// A call that is being measured: it is in flight until this is dropped.
///
/// Dropped without an end it counts as [`Kind::Cancelled`], or, if a panic
/// drops it, as [`Kind::Internal`].
pub struct Call {
    calls: Arc<Calls>,
    started: Instant,
    // In a box: most calls have none, and all are moved.
    trace: Option<Box<Trace>>,
    ended: bool,
}

// ===== impl Measures =====

impl Measures {
    pub(super) fn new(
        recorder: Box<DynRecorder>,
        name: &str,
        labels: &[(&str, &str)],
    ) -> Arc<Self> {
        let duration = format!("{name}_duration_seconds");
        let in_flight = format!("{name}_in_flight");
        recorder.describe_histogram(
            duration.clone().into(),
            Some(Unit::Seconds),
            "How long calls took, by how they ended.".into(),
        );
        recorder.describe_gauge(
            in_flight.clone().into(),
            None,
            "How many calls have begun and not ended.".into(),
        );
        let labels: Vec<Label> = labels
            .iter()
            .map(|&(name, value)| Label::new(name.to_owned(), value.to_owned()))
            .collect();
        let key = Key::from_parts(in_flight, labels.clone());
        let counts = recorder.registry().is_some();
        let in_flight = (!counts).then(|| recorder.register_gauge(&key, &METADATA));
        let succeeded = register(&*recorder, &duration, &labels, "OK");
        let failed = [const { OnceLock::new() }; Kind::ALL.len()];
        let calls = Calls { recorder, duration, labels, in_flight, succeeded, failed };
        let this = Arc::new(Self { calls: Arc::new(calls) });
        if let Some(registry) = this.calls.recorder.registry() {
            let (calls, services) = (Arc::downgrade(&this.calls), Arc::downgrade(&this));
            let count = move || match calls.strong_count() {
                0 => None,
                // While there are services they hold one, which is no call.
                count => Some(count - usize::from(services.strong_count() > 0)),
            };
            registry.count(&key, Box::new(count));
        }
        this
    }

    #[inline]
    pub(super) fn begin(&self, trace: Option<Trace>) -> Call {
        let calls = Arc::clone(&self.calls);
        if let Some(in_flight) = &calls.in_flight {
            in_flight.increment(1.0);
        }
        Call { calls, started: Instant::now(), trace: trace.map(Box::new), ended: false }
    }

    /// Counts a call that failed before it began.
    pub(super) fn refused(&self, kind: Option<Kind>) {
        self.calls.series(kind).record(0.0);
    }
}

impl fmt::Debug for Measures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.calls.fmt(f)
    }
}

// ===== impl Calls =====

impl Calls {
    fn series(&self, kind: Option<Kind>) -> &Histogram {
        let Some(kind) = kind else { return &self.succeeded };
        self.failed[kind as usize]
            .get_or_init(|| register(&*self.recorder, &self.duration, &self.labels, kind.name()))
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls")
            .field("duration", &self.duration)
            .field("labels", &self.labels)
            .finish_non_exhaustive()
    }
}

fn register(
    recorder: &DynRecorder,
    duration: &str,
    labels: &[Label],
    kind: &'static str,
) -> Histogram {
    // A vector of its own for each series, never one that siblings share.
    let mut labels = labels.to_vec();
    labels.push(Label::from_static_parts(KIND, kind));
    recorder.observations(&Key::from_parts(duration.to_owned(), labels))
}

// ===== impl Call =====

impl Call {
    /// Ends the call: well, or in a failure of a kind.
    pub fn end(mut self, failure: Option<Kind>) {
        self.record(failure);
    }

    fn record(&mut self, failure: Option<Kind>) {
        self.ended = true;
        let (series, seconds) = (self.calls.series(failure), self.started.elapsed().as_secs_f64());
        match self.trace.take() {
            None => series.record(seconds),
            Some(trace) => series.record_traced(seconds, *trace),
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.ended {
            let panicked = std::thread::panicking();
            self.record(Some(if panicked { Kind::Internal } else { Kind::Cancelled }));
        }
        if let Some(in_flight) = &self.calls.in_flight {
            in_flight.decrement(1.0);
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("started", &self.started).finish_non_exhaustive()
    }
}
