use crate::{
    SpanId, TraceContext, TraceId,
    log::{Sampling, heard::heard, sample::Class},
};
use kit_endpoint::{Carries, Fault, Kind};
use std::{fmt, str, sync::Arc};
use tokio::time::Instant;

/// The target of the lines, for filters: `info,call=warn`.
pub const TARGET: &str = "call";

/// What a request tells of itself for a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// The trace and the span that it belongs to.
    pub trace: Option<(TraceId, SpanId)>,
    /// Its id.
    pub request_id: Option<http::HeaderValue>,
}

/// Finds the [`Facts`] of a request: `()`, which looks for none, [`OfRequest`], or a
/// function of the request.
pub trait About<Req>: Clone {
    /// Returns what is known.
    fn about(&self, request: &Req) -> Facts;
}

/// Looks among the extensions of the request, for its [`TraceContext`] and, with the
/// feature `hook`, for kit-transport's `RequestId`.
#[derive(Debug, Clone, Copy, Default)]
pub struct OfRequest;

/// What the lines of a layer have in common.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) call: Box<str>,
    pub(super) instance: Option<Box<str>>,
    pub(super) sampling: Option<Sampling>,
}

/// The line of a call that has not ended. Dropped before it, it is that of a call that
/// was taken back, or of a panic.
pub struct Line {
    /// Nothing while nobody listens, and once it is written.
    open: Option<Open>,
}

struct Open {
    named: Arc<Named>,
    facts: Facts,
    started: Instant,
}

heard!(TARGET);

// ===== impl About =====

impl<Req> About<Req> for () {
    fn about(&self, _: &Req) -> Facts {
        Facts::default()
    }
}

impl<Req: Carries> About<Req> for OfRequest {
    fn about(&self, request: &Req) -> Facts {
        let extensions = request.extensions();
        Facts {
            trace: extensions
                .get::<TraceContext>()
                .map(|context| (context.trace_id(), context.span_id())),
            #[cfg(feature = "hook")]
            request_id: extensions.get::<kit_transport::RequestId>().map(|id| id.header().clone()),
            #[cfg(not(feature = "hook"))]
            request_id: None,
        }
    }
}

impl<Req, F: Fn(&Req) -> Facts + Clone> About<Req> for F {
    fn about(&self, request: &Req) -> Facts {
        self(request)
    }
}

// ===== impl Line =====

impl Line {
    /// Begins a line, if anybody listens.
    pub(super) fn begin(named: &Arc<Named>, facts: impl FnOnce() -> Facts) -> Self {
        let open = heard().then(|| Open {
            named: Arc::clone(named),
            facts: facts(),
            started: Instant::now(),
        });
        Self { open }
    }

    /// Ends the call: well, or in a failure of a kind; `refused` if nothing ran.
    pub fn end(mut self, kind: Option<Kind>, refused: bool, fault: Option<&dyn Fault>) {
        if let Some(open) = self.open.take() {
            let error = fault.map(report);
            open.write(kind, refused, error.as_deref());
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let Some(open) = self.open.take() else { return };
        if std::thread::panicking() {
            open.write(Some(Kind::Internal), false, Some("the service panicked"));
        } else {
            open.write(Some(Kind::Cancelled), false, None);
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("written", &self.open.is_none()).finish_non_exhaustive()
    }
}

// ===== impl Open =====

impl Open {
    fn write(&self, kind: Option<Kind>, refused: bool, error: Option<&str>) {
        let Self { named, facts, started } = self;
        let now = Instant::now();
        let class = Class::of(kind, refused);
        let left_out = match &named.sampling {
            None => 0,
            Some(sampling) => match sampling.decide(class, &named.call, now) {
                Some(left_out) => left_out,
                None => return,
            },
        };
        let duration = now.saturating_duration_since(*started);
        let trace = facts.trace.map(|(trace, span)| (trace.to_hex(), span.to_hex()));
        macro_rules! call {
            ($level:ident) => {
                tracing::$level!(
                    target: TARGET,
                    call = &*named.call,
                    instance = named.instance.as_deref(),
                    outcome = kind.map_or("OK", Kind::name),
                    refused = refused.then_some(true),
                    duration_us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
                    request_id = facts.request_id.as_ref().and_then(|id| id.to_str().ok()),
                    trace_id = trace.as_ref().and_then(|(trace, _)| str::from_utf8(trace).ok()),
                    span_id = trace.as_ref().and_then(|(_, span)| str::from_utf8(span).ok()),
                    error,
                    left_out = (left_out > 0).then_some(left_out),
                    "call",
                )
            };
        }
        match class {
            Class::Error => call!(error),
            Class::Warn => call!(warn),
            Class::Success | Class::Caller => call!(info),
        }
    }
}

/// A fault with all its sources; one that its wrapper repeats is written once.
fn report(fault: &dyn Fault) -> String {
    let mut text = fault.to_string();
    let mut source = fault.source();
    while let Some(error) = source {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text = text + ": " + &next;
        }
        source = error.source();
    }
    text
}
