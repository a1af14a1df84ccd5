//! What a call is in while it is polled, and whether that is a span.

use super::end::Ongoing;
use crate::{Flags, Ids, Sampling, SpanId, TraceContext, TraceId, TraceState};
use std::{cell::Cell, mem};
use tracing::span::Entered;

thread_local! {
    /// Whose call is polled that is not recorded, and has no span to be in.
    static LEFT_OUT: Cell<Option<Brief>> = const { Cell::new(None) };
    /// Its state, which most have none of: kept apart, for it is no plain bytes.
    static STATE: Cell<TraceState> = const { Cell::new(TraceState::NONE) };
}

/// A context, as it is put in place and taken back at each poll.
#[derive(Debug, Clone, Copy)]
pub(super) struct Brief {
    trace_id: TraceId,
    span_id: SpanId,
    flags: Flags,
    has_state: bool,
}

/// Which calls get a span.
#[derive(Debug, Clone)]
pub(super) struct Opens {
    pub(super) ids: Ids,
    pub(super) sampling: Option<Sampling>,
    pub(super) enabled: bool,
}

/// Whether a call does.
pub(super) enum Verdict {
    /// None does.
    Off,
    /// It is not recorded; what it calls belongs to this all the same.
    LeftOut(TraceContext),
    /// If anybody listens: in the trace of this id, if it was decided here.
    Open(Option<TraceId>),
}

/// What a call belongs to that is not recorded.
#[derive(Debug)]
pub(super) struct Left {
    brief: Brief,
    state: TraceState,
}

/// What is open for a call.
#[derive(Debug)]
pub(super) enum Scope {
    /// Nothing: nobody listens.
    Nothing,
    /// No span, since it is not recorded.
    LeftOut(Left),
    /// Its span.
    Open(Ongoing),
}

/// The call is polled until this is dropped, which puts back what was there.
pub(super) enum In<'a> {
    Nothing,
    LeftOut(Option<Brief>),
    WithState(Option<Brief>, TraceState),
    Open(Option<Brief>, #[expect(dead_code, reason = "it is dropped")] Entered<'a>),
}

/// Says whether what runs belongs to a call that is not recorded.
pub(crate) fn is_left_out() -> bool {
    LEFT_OUT.get().is_some()
}

/// Returns what a call belongs to that is not recorded, if what runs belongs to one.
pub(super) fn left_out() -> Option<TraceContext> {
    let Brief { trace_id, span_id, flags, has_state } = LEFT_OUT.get()?;
    let mut context = TraceContext::new(trace_id, span_id, flags).leave_out();
    if has_state {
        let state = replace(TraceState::NONE);
        replace(state.clone());
        context = context.with_state(state);
    }
    Some(context)
}

/// Of a thread that ends there is no state.
fn replace(state: TraceState) -> TraceState {
    STATE.try_with(|cell| cell.replace(state)).unwrap_or_default()
}

// ===== impl Opens =====

impl Opens {
    pub(super) const fn new() -> Self {
        Self { ids: Ids::new(), sampling: None, enabled: true }
    }

    /// Decides, before anything is done for a span.
    pub(super) fn verdict(&self, parent: Option<&TraceContext>) -> Verdict {
        match (&self.sampling, parent) {
            _ if !self.enabled => Verdict::Off,
            (_, Some(parent)) if parent.is_left_out() => Verdict::LeftOut(parent.clone()),
            (None, _) => Verdict::Open(None),
            (Some(sampling), _) => {
                let id = parent.map_or_else(|| self.ids.trace_id(), TraceContext::trace_id);
                if sampling.samples(parent, id) {
                    Verdict::Open(Some(id))
                } else {
                    Verdict::LeftOut(TraceContext::within(id, parent, &self.ids).leave_out())
                }
            }
        }
    }
}

// ===== impl Scope =====

impl Scope {
    pub(super) fn left_out(context: &TraceContext) -> Self {
        let state = context.state().clone();
        let brief = Brief {
            trace_id: context.trace_id(),
            span_id: context.span_id(),
            flags: context.flags(),
            has_state: !state.is_empty(),
        };
        Self::LeftOut(Left { brief, state })
    }

    pub(super) fn enter(&self) -> In<'_> {
        match self {
            Self::Nothing => In::Nothing,
            Self::LeftOut(left) => left.enter(),
            Self::Open(ongoing) => ongoing.enter(),
        }
    }

    /// The same, where no span is open: it borrows nothing.
    pub(super) fn enter_apart(&self) -> In<'static> {
        match self {
            Self::LeftOut(left) => left.enter(),
            Self::Nothing | Self::Open(_) => In::Nothing,
        }
    }

    pub(super) const fn ongoing(&mut self) -> Option<&mut Ongoing> {
        match self {
            Self::Open(ongoing) => Some(ongoing),
            Self::Nothing | Self::LeftOut(_) => None,
        }
    }
}

impl Ongoing {
    pub(super) fn enter(&self) -> In<'_> {
        In::Open(LEFT_OUT.take(), self.span.enter())
    }
}

// ===== impl Left =====

impl Left {
    fn enter(&self) -> In<'static> {
        let around = LEFT_OUT.replace(Some(self.brief));
        if self.brief.has_state {
            In::WithState(around, replace(self.state.clone()))
        } else {
            In::LeftOut(around)
        }
    }
}

// ===== impl In =====

impl Drop for In<'_> {
    fn drop(&mut self) {
        match self {
            Self::Nothing => {}
            Self::LeftOut(around) | Self::Open(around, _) => LEFT_OUT.set(*around),
            Self::WithState(around, state) => {
                LEFT_OUT.set(*around);
                replace(mem::take(state));
            }
        }
    }
}
