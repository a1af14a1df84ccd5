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

/// The metrics of one layer, shared by all its services and their calls.
pub(super) struct Calls {
    recorder: Box<DynRecorder>,
    duration: String,
    labels: Vec<Label>,
    in_flight: Gauge,
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
    trace: Option<Trace>,
    ended: bool,
}

// ===== impl Calls =====

impl Calls {
    pub(super) fn new(recorder: Box<DynRecorder>, name: &str, labels: &[(&str, &str)]) -> Self {
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
        let in_flight = Key::from_parts(in_flight, labels.clone());
        let in_flight = recorder.register_gauge(&in_flight, &METADATA);
        let succeeded = register(&*recorder, &duration, &labels, "OK");
        let failed = [const { OnceLock::new() }; Kind::ALL.len()];
        Self { recorder, duration, labels, in_flight, succeeded, failed }
    }

    pub(super) fn begin(self: &Arc<Self>, trace: Option<Trace>) -> Call {
        self.in_flight.increment(1.0);
        Call { calls: Arc::clone(self), started: Instant::now(), trace, ended: false }
    }

    /// Counts a call that failed before it began.
    pub(super) fn refused(&self, kind: Option<Kind>) {
        self.series(kind).record(0.0, None);
    }

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
        self.calls.series(failure).record(self.started.elapsed().as_secs_f64(), self.trace);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.ended {
            let panicked = std::thread::panicking();
            self.record(Some(if panicked { Kind::Internal } else { Kind::Cancelled }));
        }
        self.calls.in_flight.decrement(1.0);
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("started", &self.started).finish_non_exhaustive()
    }
}
