//! Logs: one event, one line.

use http::Extensions;
use kit_breaker::{Change, State};
use kit_endpoint::Kind;
use kit_run::Event;
use kit_sd::RegistrationStatus;
use kit_serve::{Handle, Incident};
use kit_transport::{Call, End, Hook, Observer, Outcome, RequestId};
use std::{fmt, io, net::IpAddr, str::FromStr};
use tracing::Subscriber;
use tracing_subscriber::{EnvFilter, Layer, fmt::MakeWriter, prelude::*};

/// The target of the access log, for filters: `info,access=warn`.
pub const TARGET: &str = "access";

/// The target of what the process goes through.
const LIFE: &str = "greeter::serve";

/// The most of a method that is logged, in bytes: a caller may make one up, as
/// long as the head of a request may be.
const LONGEST_METHOD: usize = 64;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// `key=value` pairs.
    #[default]
    Logfmt,
    /// A JSON object.
    Json,
}

/// The [`Hook`] that logs every request once, when it has ended, with its
/// outcome.
///
/// The level says who must act. It is error for what is broken (`Internal`,
/// `Unknown`, `DataLoss`); warn for what passes, and what a caller can bring
/// about by the time it gives (`Unavailable`, `DeadlineExceeded`); and info for
/// the rest, refusals of what the caller got wrong among it.
#[derive(Debug, Clone, Copy, Default)]
pub struct AccessLog;

/// Logs one request.
#[derive(Debug)]
pub struct Line {
    protocol: &'static str,
    method: String,
    route: Option<String>,
    peer: Option<IpAddr>,
    request_id: Option<RequestId>,
}

/// Returns what logs the life of the process, and which requests of `servers`
/// are cut, when a second signal cuts them.
pub fn life(servers: [Handle; 2]) -> impl Fn(Event<'_>) + Send + Sync {
    move |event| {
        tracing::info!(target: LIFE, "{event}");
        forced(event, &servers);
    }
}

fn forced(event: Event<'_>, servers: &[Handle]) {
    if matches!(event, Event::Forced(_)) {
        for request in servers.iter().flat_map(Handle::in_flight) {
            tracing::warn!("cut: {request}");
        }
    }
}

/// Sends events to standard error, those that `filter` lets through.
///
/// Does nothing if the process has a subscriber already.
pub fn install(filter: &str, format: Format) {
    let _ = subscriber(filter, format, io::stderr).try_init();
}

/// Returns what writes events to `writer`, those that `filter` lets through.
pub fn subscriber<W>(filter: &str, format: Format, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // Checked when the flags were read.
    let filter = EnvFilter::try_new(filter).unwrap_or_default();
    let layer = match format {
        Format::Logfmt => tracing_logfmt::builder().layer().with_writer(writer).boxed(),
        Format::Json => {
            tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(writer).boxed()
        }
    };
    tracing_subscriber::registry().with(filter).with(layer)
}

/// Tells why the program ends: by an event if that is logged, so that a log in
/// JSON is all JSON, else by a line of plain text on `plain`, whose failure is
/// passed over.
pub fn failed(why: impl fmt::Display, mut plain: impl io::Write) {
    if tracing::enabled!(tracing::Level::ERROR) {
        tracing::error!("{why}");
    } else {
        let _ = writeln!(plain, "greeter: {why}");
    }
}

/// Returns what logs the calls of the service, for [`Logging`], if debug is
/// logged here; and else nothing, so that a call costs nothing.
///
/// [`Logging`]: crate::service::Logging
#[must_use]
pub fn calls() -> Option<fn(fmt::Arguments<'_>)> {
    let say: fn(fmt::Arguments<'_>) = |call| tracing::debug!("{call}");
    tracing::enabled!(tracing::Level::DEBUG).then_some(say)
}

/// Logs each change of a registration, until it ends: that it is made, and
/// why a call to the registry failed, once for each reason.
pub async fn registration(port: &'static str, mut status: RegistrationStatus) {
    let (mut registered, mut error) = (false, None);
    while let Some(now) =
        status.wait_for(|now| now.registered != registered || now.error != error).await
    {
        match &now.error {
            Some(why) => tracing::warn!(
                port,
                error = &**why,
                "the registry fails, and is tried on: see that Consul runs at --consul-addr"
            ),
            None if now.registered => tracing::info!(port, "registered"),
            _ => {}
        }
        (registered, error) = (now.registered, now.error);
    }
}

/// Logs a change of a circuit: at warn level if it opens.
pub fn circuit(name: &'static str, change: &Change) {
    if change.to == State::Open {
        tracing::warn!(circuit = name, "the circuit is {change}");
    } else {
        tracing::info!(circuit = name, "the circuit is {change}");
    }
}

/// Logs what went wrong beside the requests of a server: at warn level if it
/// is the server's, at debug level if it is of one peer.
pub fn incident(server: &'static str, incident: &Incident<'_>) {
    match incident {
        Incident::Connection { .. } | Incident::TimedOut { .. } => {
            tracing::debug!(server, "{incident}");
        }
        _ => tracing::warn!(server, "{incident}"),
    }
}

// ===== impl Format =====

impl FromStr for Format {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "logfmt" => Ok(Self::Logfmt),
            "json" => Ok(Self::Json),
            _ => Err("write logfmt or json"),
        }
    }
}

// ===== impl AccessLog =====

impl Hook for AccessLog {
    type Observer = Option<Line>;

    fn before(&self, call: &Call<'_>, extensions: &mut Extensions) -> Option<Line> {
        tracing::enabled!(target: TARGET, tracing::Level::ERROR).then(|| Line {
            protocol: call.protocol.name(),
            method: call.method[..call.method.floor_char_boundary(LONGEST_METHOD)].to_owned(),
            route: call.route.map(str::to_owned),
            // A socket for both versions shows IPv4 peers as mapped addresses.
            peer: call.peer.and_then(|peer| peer.addr()).map(|addr| addr.ip().to_canonical()),
            request_id: extensions.get::<RequestId>().cloned(),
        })
    }
}

// ===== impl Line =====

impl Observer for Line {
    fn finish(self, end: &End) {
        macro_rules! request {
            ($level:ident) => {
                tracing::$level!(
                    target: TARGET,
                    protocol = self.protocol,
                    method = self.method,
                    route = self.route,
                    outcome = %end.outcome,
                    status = end.status.map(|status| status.as_u16()),
                    duration_us = u64::try_from(end.duration.as_micros()).unwrap_or(u64::MAX),
                    received = end.received,
                    sent = end.sent,
                    request_id = self.request_id.as_ref().map(RequestId::as_str),
                    peer = self.peer.map(tracing::field::display),
                    error = end.error.as_deref(),
                    "request",
                )
            };
        }
        match end.outcome {
            Outcome::Failed(Kind::Unavailable | Kind::DeadlineExceeded) => request!(warn),
            Outcome::Failed(kind) if kind.is_server() => request!(error),
            _ => request!(info),
        }
    }
}
