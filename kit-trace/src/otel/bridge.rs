//! Between our contexts and OpenTelemetry's.

use crate::{Flags, SpanId, TraceContext, TraceId};
use opentelemetry::{
    Context, KeyValue,
    trace::{self, SpanContext, Status, TraceContextExt, TraceFlags, TraceState},
};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};
use std::cell::Cell;
use tracing::Span;
use tracing_opentelemetry::{OpenTelemetrySpanExt, SetParentError};

thread_local! {
    /// The id of the trace that begins with the next span.
    static NEXT: Cell<Option<TraceId>> = const { Cell::new(None) };
}

/// What a context has below which a layer decided to record.
#[derive(Debug)]
pub(crate) struct Decided;

/// Makes ids at random, unless a layer made one before: it decided by it.
#[derive(Debug, Default)]
pub(crate) struct NextIds(RandomIdGenerator);

/// Starts `span` below `parent`, and returns the ids that the tracer gave it; `None` if
/// no layer of OpenTelemetry has it.
pub(crate) fn begin(
    span: &Span,
    parent: Option<&TraceContext>,
    link: Option<&TraceContext>,
    decided: Option<TraceId>,
) -> Option<TraceContext> {
    if parent.is_some() || decided.is_some() {
        let mut above = Context::new();
        if decided.is_some() {
            above = above.with_value(Decided);
        }
        if let Some(parent) = parent {
            above = above.with_remote_span_context(foreign(parent));
        }
        if let Err(SetParentError::LayerNotFound) = span.set_parent(above) {
            return None;
        }
    }
    if let Some(link) = link {
        span.add_link(foreign(link));
    }
    // It starts here, before it is entered: ids and the decision to sample are final.
    NEXT.set(decided);
    let context = span.context();
    NEXT.set(None);
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

impl IdGenerator for NextIds {
    fn new_trace_id(&self) -> trace::TraceId {
        let next = NEXT.take().map(|id| trace::TraceId::from_bytes(id.to_bytes()));
        next.unwrap_or_else(|| self.0.new_trace_id())
    }

    fn new_span_id(&self) -> trace::SpanId {
        self.0.new_span_id()
    }
}

fn own(state: &TraceState) -> crate::TraceState {
    let header = state.header();
    if header.is_empty() {
        crate::TraceState::NONE
    } else {
        crate::TraceState::parse(&header).unwrap_or_default()
    }
}
