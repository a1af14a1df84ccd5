//! Hooks of kit's transports: what they know, told to the span.

use crate::{
    TraceContext,
    span::{Open, chain},
};
use http::Extensions;
use kit_endpoint::Fault;
use kit_transport::{Call, Hook, Observer, Phase, Protocol, TraceId};
use std::sync::{Arc, atomic::Ordering};

/// Tells the span of a [`ServerSpanLayer`](crate::span::ServerSpanLayer) around the
/// transport what only the transport knows: the template of the route, and each fault,
/// with its kind and its causes. It also names the trace to whoever encodes failures:
/// `traceId` of the problem details.
///
/// Without such a layer around it does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct SpanHook;

/// Tells of one request.
#[derive(Debug)]
pub struct Telling(Option<Arc<Open>>);

impl Hook for SpanHook {
    type Observer = Telling;

    fn before(&self, call: &Call<'_>, extensions: &mut Extensions) -> Telling {
        let open = extensions.remove::<Arc<Open>>();
        if let (Some(open), Some(route), Protocol::Http) = (&open, call.route, call.protocol) {
            crate::span::routed(&open.span, call.method, route);
        }
        Telling(open)
    }

    fn trace_id(&self, extensions: &Extensions) -> Option<TraceId> {
        extensions.get().map(|context: &TraceContext| TraceId::new(context.trace_id().to_bytes()))
    }
}

impl Observer for Telling {
    fn fault(&mut self, fault: &dyn Fault, _: Phase) {
        let Some(open) = &self.0 else { return };
        let kind = fault.kind();
        open.told.store(true, Ordering::Relaxed);
        crate::span::failed(&open.span, kind.name(), &chain(fault), kind.is_server());
    }
}
