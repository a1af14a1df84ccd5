//! Logs: one event, one line.

use kit_breaker::{Change, State};
use kit_run::Event;
use kit_sd::RegistrationStatus;
use kit_serve::{Handle, Incident};
use kit_trace::log::Lines;
pub use kit_trace::log::{AccessLog, Filter, Format, access::TARGET};
use kit_trace::log::{Rate, SampledAccessLog, Sampling};
use std::{
    env, fmt,
    io::{self, IsTerminal},
};
use tracing::Subscriber;
use tracing_subscriber::{Layer, Registry, fmt::MakeWriter, prelude::*, registry::LookupSpan};

/// The target of what the process goes through.
const LIFE: &str = "greeter::serve";

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

/// Sends events to standard error, those that `filter` lets through, if it is one.
///
/// Does nothing if the process has a subscriber already.
pub fn install(filter: &str, format: Format) {
    if let Ok(filter) = Filter::new(filter) {
        install_changing(&filter, format);
    }
}

/// Sends events to standard error, those that `filter` lets through as it is changed.
///
/// Does nothing if the process has a subscriber already.
pub fn install_changing(filter: &Filter, format: Format) {
    let lines = Lines::new(format, io::stderr).colours(is_coloured());
    let _ = tracing_subscriber::registry().with(filter.clone()).with(lines).try_init();
}

/// Returns what writes events to standard error, those that `filter` lets through,
/// beside other layers that see more or less.
pub fn layer(filter: &Filter, format: Format) -> impl Layer<Registry> + Send + Sync {
    Lines::new(format, io::stderr).colours(is_coloured()).with_filter(filter.clone())
}

/// Returns what writes events to `writer`, those that `filter` lets through.
pub fn subscriber<W>(
    filter: &str,
    format: Format,
    writer: W,
) -> impl Subscriber + for<'a> LookupSpan<'a> + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // Checked when the flags were read.
    tracing_subscriber::registry().with(Filter::new(filter).ok()).with(Lines::new(format, writer))
}

/// Says whether standard error shows colours: it is a terminal, and nobody objects
/// (<https://no-color.org>).
fn is_coloured() -> bool {
    io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Sees to it that a filter that was set for a time is over after it.
pub async fn expiring(filter: Option<Filter>) {
    if let Some(filter) = filter {
        filter.expiring().await;
    }
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

/// What logs each request when it has ended, or some of many.
pub type Requests = (Option<AccessLog>, Option<SampledAccessLog>);

/// Returns what logs requests: all, or of those that go well as many as `sampling` says.
#[must_use]
pub fn requests(sampling: Option<Sampling>) -> Requests {
    match sampling {
        None => (Some(AccessLog), None),
        Some(sampling) => (None, Some(AccessLog.sampling(sampling))),
    }
}

/// Logs of the successes of a route the first so many of a second, and one in a hundred
/// of the others; of failures all, up to [`Sampling::FAILURES`].
#[must_use]
pub fn sampling(successes: u32) -> Sampling {
    Sampling::new(Rate::first(successes).then_one_in(100))
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
