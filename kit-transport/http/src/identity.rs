use http::Extensions;
use kit_transport::{Hook, RequestId, TraceId};

/// What a request is called, where a hook told.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) request_id: Option<RequestId>,
    pub(crate) trace_id: Option<TraceId>,
}

// ===== impl Identity =====

impl Identity {
    /// Asks for it.
    pub(crate) fn told<H: Hook>(hook: &H, extensions: &Extensions) -> Self {
        if H::IDLE {
            return Self { request_id: None, trace_id: None };
        }
        let request_id = extensions.get::<RequestId>().cloned();
        Self { request_id, trace_id: hook.trace_id(extensions) }
    }
}
