//! How a call ends, in its span.

use super::message::Protocol;
use http::{HeaderMap, StatusCode};
use kit_endpoint::Kind;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tracing::Span;

/// A span that is open, and what is still to be told of it. Dropped before its end it
/// says that nobody waited.
#[derive(Debug)]
pub(super) struct Ongoing {
    pub(super) span: Span,
    protocol: Protocol,
    client: bool,
    told: Option<Arc<Open>>,
    over: bool,
}

/// The span of a request on its way to a hook, which may tell more of it.
#[derive(Debug)]
pub(crate) struct Open {
    #[cfg(feature = "hook")]
    pub(crate) span: Span,
    /// Somebody told why it fails: who knew more than its status says.
    pub(crate) told: AtomicBool,
}

#[cfg(feature = "hook")]
impl Open {
    pub(super) const fn new(span: Span) -> Self {
        Self { span, told: AtomicBool::new(false) }
    }
}

impl Ongoing {
    pub(super) const fn new(
        span: Span,
        protocol: Protocol,
        client: bool,
        told: Option<Arc<Open>>,
    ) -> Self {
        Self { span, protocol, client, told, over: false }
    }

    /// Records the head of a reply; if that is all of it the call is over.
    pub(super) fn head(&mut self, status: StatusCode, headers: &HeaderMap, ends: bool) {
        match self.protocol {
            Protocol::Http => {
                self.span.record("http.response.status_code", i64::from(status.as_u16()));
                let worst = if self.client { 400 } else { 500 };
                if status.as_u16() >= worst {
                    self.fail(status.as_str(), true);
                }
            }
            Protocol::Grpc => match Kind::from_grpc_status(headers) {
                Some(code) => {
                    self.code(code);
                    self.over = true;
                }
                None if !status.is_success() => {
                    self.code(Err(Kind::from_http_status_of_grpc(status)));
                    self.over = true;
                }
                None => {}
            },
        }
        if ends {
            self.end(None);
        }
    }

    /// Records the end of a body.
    pub(super) fn end(&mut self, trailers: Option<&HeaderMap>) {
        if self.over {
            return;
        }
        self.over = true;
        if self.protocol == Protocol::Grpc {
            // A reply that says nothing of its end was cut.
            let code = trailers.and_then(Kind::from_grpc_status);
            self.code(code.unwrap_or(Err(Kind::Unknown)));
        }
    }

    /// Leaves the rest to who records the error.
    pub(super) fn errs(&mut self, record: impl FnOnce(&Span)) {
        self.over = true;
        if !self.is_told() {
            record(&self.span);
        }
    }

    fn code(&self, code: Result<(), Kind>) {
        let name = code.map_or_else(Kind::name, |()| "OK");
        self.span.record("rpc.response.status_code", name);
        if let Err(kind) = code {
            let of_server = matches!(
                kind,
                Kind::Unknown
                    | Kind::DeadlineExceeded
                    | Kind::Unimplemented
                    | Kind::Internal
                    | Kind::Unavailable
                    | Kind::DataLoss
            );
            self.fail(name, self.client || of_server);
        }
    }

    /// The status says it failed. Unless it is an error it is only that: a status.
    fn fail(&self, kind: &str, is_error: bool) {
        if is_error && !self.is_told() {
            self.span.record("error.type", kind);
        }
        if is_error && !self.is_told() {
            self.span.record("otel.status_code", "ERROR");
        }
    }

    fn is_told(&self) -> bool {
        self.told.as_ref().is_some_and(|open| open.told.load(Ordering::Relaxed))
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        if !self.over && !self.span.is_disabled() && !self.is_told() {
            self.span.record("error.type", Kind::Cancelled.name());
            if self.client {
                self.span.record("otel.status_code", "ERROR");
            }
        }
    }
}
