use super::bridge::NextIds;
use crate::Sampling;
use kit_endpoint::{Inspect, Inspector};
use opentelemetry::{Context, trace::TracerProvider as _};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SdkTracer, SdkTracerProvider, Span, SpanData, SpanLimits, SpanProcessor},
};
use std::{
    error::Error,
    fmt, mem,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until, timeout},
};
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::registry::LookupSpan;

/// Where spans are sent to: [`Otlp`](super::Otlp), Zipkin, or your own.
pub trait Exporter: Send + 'static {
    /// Why spans were not taken.
    type Error: Error + Send;

    /// Sends `batch`, of the service that `resource` describes. It is dropped when it
    /// takes too long.
    fn export(
        &mut self,
        batch: Vec<SpanData>,
        resource: &Resource,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// How many spans of the last batch were refused, though the batch was taken.
    fn rejected(&self) -> u64 {
        0
    }
}

/// How spans get from where they end to where they are sent.
///
/// The defaults are those of OpenTelemetry's batching processor: a queue of 2048 spans,
/// batches of 512, sent after 5 s at the latest, each within 30 s.
#[derive(Debug, Clone)]
pub struct Pipeline {
    resource: Resource,
    sampling: Sampling,
    queue: usize,
    batch: usize,
    delay: Duration,
    timeout: Duration,
}

/// Records spans, and knows what became of them. A clone is the same.
///
/// Spans that are open when the last of it goes are still sent, while [`Exporting`] runs.
#[derive(Clone)]
pub struct Tracing {
    provider: SdkTracerProvider,
    flush: mpsc::Sender<oneshot::Sender<()>>,
    counts: Arc<Counts>,
}

/// Sends spans for as long as it is run.
pub struct Exporting<X> {
    spans: mpsc::Receiver<SpanData>,
    flush: mpsc::Receiver<oneshot::Sender<()>>,
    exporter: X,
    pipeline: Pipeline,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    exported: AtomicU64,
    overflowed: AtomicU64,
    failed: AtomicU64,
    rejected: AtomicU64,
    waiting: AtomicU64,
}

/// Puts spans that ended into the queue.
#[derive(Debug)]
struct Queue {
    spans: mpsc::Sender<SpanData>,
    counts: Arc<Counts>,
}

// ===== impl Pipeline =====

impl Pipeline {
    /// Records every trace of the service that `resource` describes.
    #[must_use]
    pub const fn new(resource: Resource) -> Self {
        Self {
            resource,
            sampling: Sampling::always(),
            queue: 2048,
            batch: 512,
            delay: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
        }
    }

    /// Records the traces that `sampling` says: all by default. A layer that was given
    /// the same decides first, and is not asked again.
    #[must_use]
    pub fn sampling(mut self, sampling: Sampling) -> Self {
        self.sampling = sampling;
        self
    }

    /// Keeps up to `most` spans that wait to be sent; at least 1.
    #[must_use]
    pub fn queue(mut self, most: usize) -> Self {
        self.queue = most.max(1);
        self
    }

    /// Sends up to `most` spans at once; at least 1.
    #[must_use]
    pub fn batch(mut self, most: usize) -> Self {
        self.batch = most.max(1);
        self
    }

    /// Lets a span wait no longer than `most` for others to go with it.
    #[must_use]
    pub const fn delay(mut self, most: Duration) -> Self {
        self.delay = most;
        self
    }

    /// Gives up a batch that is not taken within `limit`.
    #[must_use]
    pub const fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Sends what is recorded to `exporter`.
    ///
    /// Nothing is read from the environment. (The SDK looks at its `OTEL_` variables
    /// when it is built; what is given here takes their place.)
    pub fn export<X: Exporter>(self, exporter: X) -> (Tracing, Exporting<X>) {
        let (sends, spans) = mpsc::channel(self.queue);
        let (asks, flush) = mpsc::channel(1);
        let counts = Arc::<Counts>::default();
        let queue = Queue { spans: sends, counts: Arc::clone(&counts) };
        // As the specification's defaults are.
        let limits = SpanLimits {
            max_events_per_span: 128,
            max_attributes_per_span: 128,
            max_links_per_span: 128,
            max_attributes_per_event: 128,
            max_attributes_per_link: 128,
        };
        let provider = SdkTracerProvider::builder()
            .with_sampler(self.sampling.clone())
            .with_id_generator(NextIds::default())
            .with_span_limits(limits)
            .with_resource(self.resource.clone())
            .with_span_processor(queue)
            .build();
        let tracing = Tracing { provider, flush: asks, counts: Arc::clone(&counts) };
        (tracing, Exporting { spans, flush, exporter, pipeline: self, counts })
    }
}

// ===== impl Tracing =====

impl Tracing {
    /// Returns the layer that records spans, with what the conventions ask for and
    /// nothing of the code: no files, threads or times of inactivity. Filter it: a
    /// span at each level of the libraries around would be recorded.
    #[must_use]
    pub fn layer<S>(&self) -> OpenTelemetryLayer<S, SdkTracer>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        tracing_opentelemetry::layer()
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_target(false)
            .with_level(false)
            .with_tracer(self.tracer())
    }

    /// Returns a tracer, for who opens spans without `tracing`.
    #[must_use]
    pub fn tracer(&self) -> SdkTracer {
        self.provider.tracer("kit-trace")
    }

    /// Sends what ended so far, and says whether that was done within `limit`: at the
    /// end of a program, when the last request has been answered.
    pub async fn flush(&self, limit: Duration) -> bool {
        let flushed = async {
            let (done, is_done) = oneshot::channel();
            self.flush.send(done).await.is_ok() && is_done.await.is_ok()
        };
        timeout(limit, flushed).await.unwrap_or(false)
    }
}

impl fmt::Debug for Tracing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracing").field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl Inspect for Tracing {
    fn inspect(&self, inspector: &mut dyn Inspector) {
        let Counts { exported, overflowed, failed, rejected, waiting } = &*self.counts;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let help = "Spans that the collector took.";
        inspector.counter("trace_spans_exported_total", help, &[], read(exported));
        let help = "Spans that were lost, by why.";
        let name = "trace_spans_dropped_total";
        inspector.counter(name, help, &[("reason", "queue_full")], read(overflowed));
        inspector.counter(name, help, &[("reason", "export_failed")], read(failed));
        inspector.counter(name, help, &[("reason", "rejected")], read(rejected));
        #[expect(clippy::cast_precision_loss, reason = "a queue is not that long")]
        let waiting = read(waiting) as f64;
        inspector.gauge("trace_spans_waiting", "Spans that wait to be sent.", &[], waiting);
    }
}

// ===== impl Queue =====

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        // Before it can be taken out again.
        self.counts.waiting.fetch_add(1, Ordering::Relaxed);
        if self.spans.try_send(span).is_err() {
            self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
            self.counts.overflowed.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

// ===== impl Exporting =====

impl<X: Exporter> Exporting<X> {
    /// Sends spans until every [`Tracing`] and every layer of it is gone, which in a
    /// program with a global subscriber is never: a task in the background. Dropped, it
    /// leaves what was not sent; [`Tracing::flush`] first.
    pub async fn run(mut self) {
        let mut batch = Vec::new();
        // When the first of the batch has waited long enough.
        let mut due = None;
        loop {
            let room = self.pipeline.batch - batch.len();
            let at = due.unwrap_or_else(Instant::now);
            tokio::select! {
                biased;
                () = sleep_until(at), if due.is_some() => self.send(&mut batch).await,
                Some(done) = self.flush.recv() => {
                    self.send_all(&mut batch).await;
                    // Who asked may have given up.
                    let _ = done.send(());
                }
                came = self.spans.recv_many(&mut batch, room) => {
                    if came == 0 {
                        self.send(&mut batch).await;
                        return;
                    }
                    due = due.or_else(|| Instant::now().checked_add(self.pipeline.delay));
                    if batch.len() >= self.pipeline.batch {
                        self.send(&mut batch).await;
                    }
                }
            }
            if batch.is_empty() {
                due = None;
            }
        }
    }

    /// Sends what is in the queue now, and what ends meanwhile only as far as it comes
    /// with that.
    async fn send_all(&mut self, batch: &mut Vec<SpanData>) {
        let mut left = self.spans.len();
        loop {
            while batch.len() < self.pipeline.batch && left > 0 {
                let Ok(span) = self.spans.try_recv() else { break };
                batch.push(span);
                left -= 1;
            }
            if batch.is_empty() {
                return;
            }
            self.send(batch).await;
        }
    }

    async fn send(&mut self, batch: &mut Vec<SpanData>) {
        if batch.is_empty() {
            return;
        }
        let count = batch.len() as u64;
        let batch = mem::take(batch);
        let sent = self.exporter.export(batch, &self.pipeline.resource);
        let sent = timeout(self.pipeline.timeout, sent).await;
        let Counts { exported, failed, rejected, waiting, .. } = &*self.counts;
        waiting.fetch_sub(count, Ordering::Relaxed);
        match sent {
            Ok(Ok(())) => {
                let refused = self.exporter.rejected().min(count);
                exported.fetch_add(count - refused, Ordering::Relaxed);
                rejected.fetch_add(refused, Ordering::Relaxed);
            }
            Ok(Err(error)) => {
                failed.fetch_add(count, Ordering::Relaxed);
                tracing::debug!(error = &error as &dyn Error, count, "spans were not taken");
            }
            Err(_) => {
                failed.fetch_add(count, Ordering::Relaxed);
                tracing::debug!(count, "spans were not taken in time");
            }
        }
    }
}

impl<X> fmt::Debug for Exporting<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporting").field("pipeline", &self.pipeline).finish_non_exhaustive()
    }
}
