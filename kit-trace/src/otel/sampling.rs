use super::BadVariable;
use opentelemetry::{
    Context, KeyValue,
    trace::{Link, SpanKind, TraceContextExt, TraceId, TraceState},
};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, SamplingResult, ShouldSample};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::time::Instant;

/// Which traces are recorded.
///
/// A trace is decided once, where it begins; who is called goes by the flag that came
/// (`parentbased` in OpenTelemetry), unless [`whatever_the_parent`](Self::whatever_the_parent)
/// is said.
#[derive(Debug, Clone)]
pub struct Sampling {
    root: Root,
    by_parent: bool,
}

#[derive(Debug, Clone)]
enum Root {
    Sdk(Sampler),
    Rate(Arc<Bucket>),
}

/// So many in a second, as a token bucket that one atomic keeps (GCRA).
#[derive(Debug)]
struct Bucket {
    begun: Instant,
    /// Between two, in nanoseconds.
    interval: u64,
    /// How far ahead of time the bucket may be: its size.
    ahead: u64,
    /// When it is empty again, since `begun`.
    next: AtomicU64,
}

// ===== impl Sampling =====

impl Sampling {
    /// Records every trace.
    #[must_use]
    pub const fn always() -> Self {
        Self { root: Root::Sdk(Sampler::AlwaysOn), by_parent: true }
    }

    /// Records none but those that a caller records.
    #[must_use]
    pub const fn never() -> Self {
        Self { root: Root::Sdk(Sampler::AlwaysOff), by_parent: true }
    }

    /// Records this share of traces, from 0 to 1, by their ids: services that sample
    /// more record what those do that sample less, and the same as other SDKs of
    /// OpenTelemetry do (`TraceIdRatioBased`, of the id's last 8 bytes, which are random
    /// where the flag says so).
    #[must_use]
    pub const fn ratio(share: f64) -> Self {
        Self { root: Root::Sdk(Sampler::TraceIdRatioBased(share)), by_parent: true }
    }

    /// Records at most `count` traces a second, and that many at once.
    ///
    /// # Panics
    ///
    /// If `count` is 0: that is [`never`](Self::never).
    #[must_use]
    pub fn per_second(count: u32) -> Self {
        assert!(count > 0, "a rate of no traces");
        let interval = 1_000_000_000 / u64::from(count);
        let ahead = interval * u64::from(count - 1);
        let bucket = Bucket { begun: Instant::now(), interval, ahead, next: AtomicU64::new(0) };
        Self { root: Root::Rate(Arc::new(bucket)), by_parent: true }
    }

    /// Decides here, whatever a caller decided.
    #[must_use]
    pub const fn whatever_the_parent(mut self) -> Self {
        self.by_parent = false;
        self
    }

    /// Reads `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` by `get`; without them
    /// it is [`always`](Self::always), as OpenTelemetry's default is.
    ///
    /// # Errors
    ///
    /// Fails if one is not of those that are known, or not a ratio.
    pub fn from_env(get: impl Fn(&str) -> Option<String>) -> Result<Self, BadVariable> {
        const NAME: &str = "OTEL_TRACES_SAMPLER";
        const ARG: &str = "OTEL_TRACES_SAMPLER_ARG";
        let Some(name) = get(NAME).filter(|name| !name.is_empty()) else {
            return Ok(Self::always());
        };
        let (kind, by_parent) = match name.strip_prefix("parentbased_") {
            Some(kind) => (kind, true),
            None => (&*name, false),
        };
        let sampling = match kind {
            "always_on" => Self::always(),
            "always_off" => Self::never(),
            "traceidratio" => {
                let arg = get(ARG).unwrap_or_else(|| "1".to_owned());
                let share = arg.parse().ok().filter(|share| (0.0..=1.0).contains(share));
                Self::ratio(share.ok_or_else(|| BadVariable::new(ARG, &arg, "0 to 1"))?)
            }
            _ => {
                let known = "always_on, always_off or traceidratio, with parentbased_ or without";
                return Err(BadVariable::new(NAME, &name, known));
            }
        };
        Ok(Self { by_parent, ..sampling })
    }
}

impl ShouldSample for Sampling {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let above = parent.filter(|parent| parent.span().span_context().is_valid());
        let trace_state = above.map_or_else(TraceState::default, |parent| {
            parent.span().span_context().trace_state().clone()
        });
        let keep = match (above, &self.root) {
            (Some(parent), _) if self.by_parent => parent.span().span_context().is_sampled(),
            (_, Root::Rate(bucket)) => bucket.takes(),
            (_, Root::Sdk(sampler)) => {
                return sampler.should_sample(parent, trace_id, name, kind, attributes, links);
            }
        };
        let decision =
            if keep { SamplingDecision::RecordAndSample } else { SamplingDecision::Drop };
        SamplingResult { decision, attributes: Vec::new(), trace_state }
    }
}

// ===== impl Bucket =====

impl Bucket {
    fn takes(&self) -> bool {
        // In 500 years it is full for good.
        let now = u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let taken = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
            let fits = next <= now.saturating_add(self.ahead);
            fits.then(|| next.max(now).saturating_add(self.interval))
        });
        taken.is_ok()
    }
}
