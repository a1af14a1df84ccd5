//! Between our contexts and OpenTelemetry's.

use crate::{Flags, SpanId, TraceContext, TraceId};
use opentelemetry::{
    Context, KeyValue,
    trace::{self, SpanContext, Status, TraceContextExt, TraceFlags, TraceState},
};
use tracing::Span;
use tracing_opentelemetry::{OpenTelemetrySpanExt, SetParentError};

/// Starts `span` below `parent`, and returns the ids that the tracer gave it; `None` if
/// no layer of OpenTelemetry has it.
pub(crate) fn begin(
    span: &Span,
    parent: Option<&TraceContext>,
    link: Option<&TraceContext>,
) -> Option<TraceContext> {
    if let Some(parent) = parent {
        let context = Context::new().with_remote_span_context(foreign(parent));
        if let Err(SetParentError::LayerNotFound) = span.set_parent(context) {
            return None;
        }
    }
    if let Some(link) = link {
        span.add_link(foreign(link));
    }
    // It starts here, before it is entered: ids and the decision to sample are final.
    let context = span.context();
    let context = context.span().span_context().clone();
    let trace_id = TraceId::from_bytes(context.trace_id().to_bytes())?;
    let span_id = SpanId::from_bytes(context.span_id().to_bytes())?;
    // Only the sampled bit is the tracer's. An id of its own is random, all of it; of
    // the others their flags say what they are.
    let parent = parent.filter(|parent| parent.trace_id() == trace_id);
    let (random, state) = match parent {
        Some(parent) => (parent.flags().random(), parent.state().clone()),
        // Of a span around this one, which is ours too.
        None => (true, own(context.trace_state())),
    };
    let flags = Flags::NONE.with_sampled(context.is_sampled()).with_random(random);
    Some(TraceContext::new(trace_id, span_id, flags).with_state(state))
}

pub(crate) fn rename(span: &Span, name: String) {
    span.context().span().update_name(name);
}

pub(crate) fn error(span: &Span, message: &str) {
    span.set_status(Status::error(message.to_owned()));
}

pub(crate) fn exception(span: &Span, kind: &str, message: &str) {
    let attributes = vec![
        KeyValue::new("exception.type", kind.to_owned()),
        KeyValue::new("exception.message", message.to_owned()),
    ];
    span.add_event("exception", attributes);
}

/// As OpenTelemetry has it. It does not take every state that level 2 allows; one that
/// it does not is exported without, and goes on all the same.
fn foreign(context: &TraceContext) -> SpanContext {
    let state = context.state();
    let state = if state.is_empty() { None } else { state.as_str().parse::<TraceState>().ok() };
    SpanContext::new(
        trace::TraceId::from_bytes(context.trace_id().to_bytes()),
        trace::SpanId::from_bytes(context.span_id().to_bytes()),
        TraceFlags::new(context.flags().bits()),
        context.is_remote(),
        state.unwrap_or_default(),
    )
}

fn own(state: &TraceState) -> crate::TraceState {
    let header = state.header();
    if header.is_empty() {
        crate::TraceState::NONE
    } else {
        crate::TraceState::parse(&header).unwrap_or_default()
    }
}
