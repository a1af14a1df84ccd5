//! What spans tell OpenTelemetry, where it listens.

use crate::{Ids, TraceContext, TraceId};
use tracing::Span;

/// Begins a span: below `parent`, with a link to `link`. If its layer decided that it is
/// recorded, that is `decided`, with the id of its trace. Returns the ids that it has,
/// which are those that are exported if it is.
pub(crate) fn begin(
    span: &Span,
    parent: Option<&TraceContext>,
    link: Option<&TraceContext>,
    ids: &Ids,
    decided: Option<TraceId>,
) -> TraceContext {
    #[cfg(feature = "otel")]
    if let Some(context) = crate::otel::bridge::begin(span, parent, link, decided) {
        return context;
    }
    #[cfg(not(feature = "otel"))]
    let _ = link;
    let id = decided.or_else(|| parent.map(TraceContext::trace_id));
    let mut context = TraceContext::within(id.unwrap_or_else(|| ids.trace_id()), parent, ids);
    if decided.is_some() {
        context = context.sample();
    }
    if span.has_field("trace_id") {
        span.record("trace_id", tracing::field::display(context.trace_id()));
        span.record("span_id", tracing::field::display(context.span_id()));
    }
    context
}

/// Sets an attribute that the span has no field for.
pub(crate) fn attribute(span: &Span, key: &'static str, value: &str) {
    #[cfg(feature = "otel")]
    tracing_opentelemetry::OpenTelemetrySpanExt::set_attribute(span, key, value.to_owned());
    #[cfg(not(feature = "otel"))]
    let _ = (span, key, value);
}

/// Sets the status of a span that has no field for it.
pub(crate) fn error(span: &Span, message: &str) {
    #[cfg(feature = "otel")]
    crate::otel::bridge::error(span, message);
    #[cfg(not(feature = "otel"))]
    let _ = (span, message);
}

/// Adds the event of an error.
pub(crate) fn exception(span: &Span, kind: &str, message: &str) {
    #[cfg(feature = "otel")]
    crate::otel::bridge::exception(span, kind, message);
    #[cfg(not(feature = "otel"))]
    let _ = (span, kind, message);
}

/// Renames a span that has begun: recording the name alone does not reach one that has.
pub(crate) fn rename(span: &Span, name: String) {
    #[cfg(feature = "otel")]
    crate::otel::bridge::rename(span, name);
    #[cfg(not(feature = "otel"))]
    let _ = (span, name);
}
