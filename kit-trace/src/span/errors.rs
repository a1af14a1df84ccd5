use kit_endpoint::Fault;
use std::{any::type_name, error::Error, fmt::Display};
use tracing::Span;

/// How the error of a service is recorded in its span: `error.type`, the status, and
/// where the span is exported an event `exception`.
///
/// Ready-made are [`Shown`], the default of the layers for HTTP, and [`Sourced`],
/// [`Boxed`] and [`Faults`], which say more where the error has more to say.
pub trait Errors<E: ?Sized>: Clone {
    /// Records `error`, with which the call ends.
    fn record(&self, span: &Span, error: &E);
}

/// For errors that can be shown: what they show. `error.type` is their type.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shown;

/// For errors with causes: what they show, and what each `source()` does.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sourced;

/// For boxed errors: as [`Sourced`], but their type is not known: `_OTHER`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Boxed;

/// For faults: `error.type` is the name of the kind, and causes are shown. A fault of
/// the caller's is recorded, and leaves the status as it is unless
/// [`SpanLayer::errors_of_callers`](super::SpanLayer::errors_of_callers) says otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    pub(super) callers: bool,
}

impl<E: Display> Errors<E> for Shown {
    fn record(&self, span: &Span, error: &E) {
        failed(span, type_name::<E>(), &error.to_string(), true);
    }
}

impl<E: Error + 'static> Errors<E> for Sourced {
    fn record(&self, span: &Span, error: &E) {
        failed(span, type_name::<E>(), &chain(error), true);
    }
}

impl Errors<Box<dyn Error + Send + Sync>> for Boxed {
    fn record(&self, span: &Span, error: &Box<dyn Error + Send + Sync>) {
        failed(span, "_OTHER", &chain(&**error), true);
    }
}

impl<E: Fault> Errors<E> for Faults {
    fn record(&self, span: &Span, error: &E) {
        let kind = error.kind();
        failed(span, kind.name(), &chain(error), self.callers || kind.is_server());
    }
}

/// An error and its causes, each after a colon.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Records that a call failed, in a span whose fields are not necessarily ours.
pub(crate) fn failed(span: &Span, kind: &str, message: &str, is_error: bool) {
    if span.is_disabled() {
        return;
    }
    if span.has_field("error.type") {
        span.record("error.type", kind);
    } else {
        crate::bridge::attribute(span, "error.type", kind);
    }
    if is_error {
        if span.has_field("otel.status_description") {
            span.record("otel.status_code", "ERROR");
            span.record("otel.status_description", message);
        } else {
            crate::bridge::error(span, message);
        }
    }
    crate::bridge::exception(span, kind, message);
}
