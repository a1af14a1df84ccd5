//! How the SDK asks, and what the environment says.

use super::{BadVariable, bridge::Decided};
use crate::{Sampling, span::scope};
use opentelemetry::{
    Context, KeyValue,
    trace::{Link, SpanKind, TraceContextExt, TraceId, TraceState},
};
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, ShouldSample};

impl Sampling {
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
        Ok(if by_parent { sampling } else { sampling.whatever_the_parent() })
    }
}

impl ShouldSample for Sampling {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        id: TraceId,
        _: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[Link],
    ) -> SamplingResult {
        let above = parent.filter(|parent| parent.span().span_context().is_valid());
        let trace_state = above.map_or_else(TraceState::default, |parent| {
            parent.span().span_context().trace_state().clone()
        });
        let keep = if parent.is_some_and(|parent| parent.get::<Decided>().is_some()) {
            // A layer did, and opened the span because of it.
            true
        } else if above.is_none() && scope::is_left_out() {
            // Amid a call that is not recorded it would begin a trace of nothing else.
            false
        } else {
            let above = above.map(|parent| parent.span().span_context().is_sampled());
            self.decide(above, id.to_bytes())
        };
        let decision =
            if keep { SamplingDecision::RecordAndSample } else { SamplingDecision::Drop };
        SamplingResult { decision, attributes: Vec::new(), trace_state }
    }
}
