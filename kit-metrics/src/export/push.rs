use super::{Error, Event, Export, Status};
use crate::registry::Registry;
use std::{
    any::type_name,
    fmt,
    future::poll_fn,
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

/// How often a registry is pushed: what statsd and Go kit's examples use.
const EVERY: Duration = Duration::from_secs(10);

/// How long an export may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Pushes a registry to an exporter, again and again, and once more at the end.
///
/// It runs where it is awaited, in a task of yours: it starts none.
pub struct Push<E> {
    registry: Registry,
    exporter: E,
    every: Duration,
    limit: Duration,
    sink: Option<Box<dyn FnMut(&Event) + Send>>,
    status: Status,
    failing: Failing,
}

/// What was reported last.
#[derive(Default)]
struct Failing {
    error: Option<String>,
    failures: u64,
}

// ===== impl Push =====

impl<E: Export> Push<E> {
    /// Pushes `registry` to `exporter` every 10 s.
    #[must_use]
    pub fn new(registry: Registry, exporter: E) -> Self {
        // `kit_metrics::export::statsd::Statsd<..>` is `statsd`.
        let name = type_name::<E>().split('<').next().unwrap_or_default();
        let name = name.rsplit("::").next().unwrap_or_default().to_lowercase();
        Self {
            registry,
            exporter,
            every: EVERY,
            limit: LIMIT,
            sink: None,
            status: Status::new(&name),
            failing: Failing::default(),
        }
    }

    /// Sets how often: 10 s unless set, at least 10 ms.
    #[must_use]
    pub fn every(mut self, every: Duration) -> Self {
        self.every = every.max(Duration::from_millis(10));
        self
    }

    /// Sets how long an export may take, the last one included: 5 s unless
    /// set.
    #[must_use]
    pub const fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Sets what the [status](Self::status) has as the label `exporter`: the
    /// name of the exporter's type in lower case unless set.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.status.rename(name);
        self
    }

    /// Tells `sink` when exports begin to fail, fail for another reason, or
    /// succeed again.
    #[must_use]
    pub fn on_event(mut self, sink: impl FnMut(&Event) + Send + 'static) -> Self {
        self.sink = Some(Box::new(sink));
        self
    }

    /// Returns how it gets on, also while it runs. Take it after the
    /// [name](Self::name) is set.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.clone()
    }

    /// Pushes until `shutdown` completes, and then once more.
    ///
    /// When `shutdown` comes while an export is under way, that one may end in
    /// its time before the last begins: so this ends within twice the
    /// [limit](Self::limit). When the future is dropped, nothing is flushed.
    ///
    /// # Errors
    ///
    /// When the last export failed.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with time.
    pub async fn run(mut self, shutdown: impl Future<Output = ()> + Send) -> Result<(), Error> {
        let mut shutdown = pin!(shutdown);
        let mut ticks = interval_at(Instant::now() + self.every, self.every);
        // A tick that an export outlasted is not made up for.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = poll_fn(|cx| match shutdown.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(false),
                Poll::Pending => ticks.poll_tick(cx).map(|_| true),
            });
            if !due.await {
                return self.export().await;
            }
            // What fails was reported, and is tried again at the next tick.
            let (_, is_over) = with(self.export(), shutdown.as_mut()).await;
            if is_over {
                return self.export().await;
            }
        }
    }

    async fn export(&mut self) -> Result<(), Error> {
        let reading = self.registry.read();
        let exported = timeout(self.limit, self.exporter.export(&reading)).await;
        let result = exported.unwrap_or(Err(Error::TimedOut(self.limit)));
        self.status.count(result.is_ok(), self.exporter.dropped());
        if let Some(event) = self.failing.change(result.as_ref().err())
            && let Some(sink) = &mut self.sink
        {
            sink(&event);
        }
        result
    }
}

impl<E> fmt::Debug for Push<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Push")
            .field("exporter", &type_name::<E>())
            .field("every", &self.every)
            .field("limit", &self.limit)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// Awaits `work`, and says whether `end` came meanwhile: it may not be polled
/// again then.
async fn with<T>(
    work: impl Future<Output = T>,
    mut end: Pin<&mut impl Future<Output = ()>>,
) -> (T, bool) {
    let mut work = pin!(work);
    let mut is_over = false;
    poll_fn(|cx| {
        is_over = is_over || end.as_mut().poll(cx).is_ready();
        work.as_mut().poll(cx).map(|done| (done, is_over))
    })
    .await
}

// ===== impl Failing =====

impl Failing {
    fn change(&mut self, error: Option<&Error>) -> Option<Event> {
        let Some(error) = error else {
            let failures = std::mem::take(&mut self.failures);
            return self.error.take().map(|_| Event::Recovered { failures });
        };
        self.failures += 1;
        let error = error.chain();
        if self.error.as_ref() == Some(&error) {
            return None;
        }
        self.error = Some(error.clone());
        Some(Event::Failing { error })
    }
}
