//! The access log: a hook of kit's transports.

use super::{Sampling, heard::heard, sample::Class};
use crate::{SpanId, TraceContext, TraceId};
use http::Extensions;
use kit_endpoint::Fault;
use kit_transport::{Call, End, Hook, Observer, Phase, RequestId};
use std::{borrow::Cow, net::IpAddr, str};
use tokio::time::Instant;

/// The target of the access log, for filters: `info,access=warn`.
pub const TARGET: &str = "access";

/// The most of a method that is logged, in bytes: a caller may make one up, as
/// long as the head of a request may be.
const LONGEST_METHOD: usize = 64;

/// The [`Hook`] that logs every request once, when it has ended, under the target
/// [`TARGET`]:
///
/// | field | what |
/// |---|---|
/// | `protocol`, `method`, `route` | `http`, `GET`, `/users/{id}`; of the method 64 bytes, and never the raw path |
/// | `outcome`, `status` | `OK` or the [`Kind`](kit_endpoint::Kind) of failure; HTTP's status, if a head was made |
/// | `duration_us`, `received`, `sent` | microseconds from the head to the last byte, and bytes of the bodies |
/// | `request_id`, `trace_id`, `span_id` | from the extensions, if hooks or layers before this one put them there |
/// | `peer` | the address at the other end, where the accept loop knows it |
/// | `error` | what the fault says, with all its sources |
/// | `left_out` | how many like it were not logged before, if they are [sampled](AccessLog::sampling) |
///
/// The level says who must act. It is error for what is broken (`INTERNAL`,
/// `UNKNOWN`, `DATA_LOSS`), but for what a layer refused; warn for what passes, and what
/// a caller can bring about by the time it gives (`UNAVAILABLE`, `DEADLINE_EXCEEDED`); and
/// info for the rest, refusals of what the caller got wrong among it.
///
/// While nobody listens it costs one atomic read.
#[derive(Debug, Clone, Copy, Default)]
pub struct AccessLog;

/// An [`AccessLog`] of some requests of many.
#[derive(Debug, Clone)]
pub struct SampledAccessLog {
    sampling: Sampling,
}

/// Logs one request.
///
/// All of it is behind one pointer: it moves with the reply from layer to layer, also
/// while nobody listens.
#[derive(Debug)]
pub struct AccessLine(Box<Line>);

#[derive(Debug)]
struct Line {
    protocol: &'static str,
    method: Cow<'static, str>,
    route: Option<Box<str>>,
    peer: Option<IpAddr>,
    request_id: Option<RequestId>,
    trace: Option<(TraceId, SpanId)>,
    refused: bool,
    sampling: Option<Sampling>,
}

heard!(TARGET);

// ===== impl AccessLog =====

impl AccessLog {
    /// Logs of many requests only some; the route is the template, or the method of
    /// gRPC.
    #[must_use]
    pub const fn sampling(self, sampling: Sampling) -> SampledAccessLog {
        SampledAccessLog { sampling }
    }
}

impl Hook for AccessLog {
    type Observer = Option<AccessLine>;

    fn before(&self, call: &Call<'_>, extensions: &mut Extensions) -> Option<AccessLine> {
        heard().then(|| AccessLine::new(call, extensions, None))
    }
}

// ===== impl SampledAccessLog =====

impl Hook for SampledAccessLog {
    type Observer = Option<AccessLine>;

    fn before(&self, call: &Call<'_>, extensions: &mut Extensions) -> Option<AccessLine> {
        heard().then(|| AccessLine::new(call, extensions, Some(self.sampling.clone())))
    }
}

/// The usual ones are copied nowhere.
fn method(method: &str) -> Cow<'static, str> {
    match method {
        "GET" => "GET".into(),
        "POST" => "POST".into(),
        "PUT" => "PUT".into(),
        "PATCH" => "PATCH".into(),
        "DELETE" => "DELETE".into(),
        "HEAD" => "HEAD".into(),
        "OPTIONS" => "OPTIONS".into(),
        other => other[..other.floor_char_boundary(LONGEST_METHOD)].to_owned().into(),
    }
}

// ===== impl AccessLine =====

impl AccessLine {
    fn new(call: &Call<'_>, extensions: &Extensions, sampling: Option<Sampling>) -> Self {
        let trace = extensions.get::<TraceContext>();
        Self(Box::new(Line {
            protocol: call.protocol.name(),
            method: method(call.method),
            route: call.route.map(Into::into),
            // A socket for both versions shows IPv4 peers as mapped addresses.
            peer: call.peer.and_then(|peer| peer.addr()).map(|addr| addr.ip().to_canonical()),
            request_id: extensions.get::<RequestId>().cloned(),
            trace: trace.map(|context| (context.trace_id(), context.span_id())),
            refused: false,
            sampling,
        }))
    }
}

impl Observer for AccessLine {
    fn fault(&mut self, fault: &dyn Fault, _: Phase) {
        self.0.refused = fault.refused();
    }

    fn finish(self, end: &End) {
        self.0.finish(end);
    }
}

// ===== impl Line =====

impl Line {
    fn finish(&self, end: &End) {
        let class = Class::of(end.outcome.kind(), self.refused);
        let left_out = match &self.sampling {
            None => 0,
            Some(sampling) => {
                let route = self.route.as_deref().unwrap_or(&self.method);
                match sampling.decide(class, route, Instant::now()) {
                    Some(left_out) => left_out,
                    None => return,
                }
            }
        };
        let trace = self.trace.map(|(trace, span)| (trace.to_hex(), span.to_hex()));
        macro_rules! request {
            ($level:ident) => {
                tracing::$level!(
                    target: TARGET,
                    protocol = self.protocol,
                    method = &*self.method,
                    route = self.route.as_deref(),
                    outcome = end.outcome.kind().map_or("OK", kit_endpoint::Kind::name),
                    status = end.status.map(|status| status.as_u16()),
                    duration_us = u64::try_from(end.duration.as_micros()).unwrap_or(u64::MAX),
                    received = end.received,
                    sent = end.sent,
                    request_id = self.request_id.as_ref().map(RequestId::as_str),
                    trace_id = trace.as_ref().and_then(|(trace, _)| str::from_utf8(trace).ok()),
                    span_id = trace.as_ref().and_then(|(_, span)| str::from_utf8(span).ok()),
                    peer = self.peer.map(tracing::field::display),
                    error = end.error.as_deref(),
                    left_out = (left_out > 0).then_some(left_out),
                    "request",
                )
            };
        }
        match class {
            Class::Error => request!(error),
            Class::Warn => request!(warn),
            Class::Success | Class::Caller => request!(info),
        }
    }
}
