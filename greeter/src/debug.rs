//! The debug port: how the process is, for those who run it.

use crate::{auth::Gate, flags::Serve};
use axum::Router;
use kit_debug::{Build, Debug, InFlight, States, config::Redactor};
use kit_endpoint::Inspect;
use kit_metrics::Prometheus;
use kit_serve::Handle;
use kit_trace::log::{Filter, LogService};
use kit_trace::otel::Tracing;
use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::watch;

/// This build.
pub const BUILD: Build = Build::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
    .commit(option_env!("GREETER_COMMIT"))
    .features(&[
        #[cfg(feature = "etcd")]
        "etcd",
    ]);

/// What these flags have is the path of a secret, and no secret.
const PATHS: [&str; 5] =
    ["basic-htpasswd", "debug-token-file", "jwt-jwks", "tls-key", "tls-client-ca"];

/// Shows how a part of the greeter is.
pub trait Shows {
    /// Shows `component`, at the debug port under `name`.
    fn show(&self, name: &'static str, component: impl Inspect + Clone + 'static);

    /// Shows the connections of `server`, and at the debug port what it answers.
    fn show_server(&self, name: &'static str, server: Handle) {
        let _ = name;
        self.show("connections", server);
    }
}

/// What shows the parts of the greeter: metrics, and the debug port.
#[derive(Clone, Default)]
pub struct Seen {
    /// The metrics.
    pub metrics: Prometheus,
    states: States,
    servers: Arc<Mutex<Vec<(&'static str, Handle)>>>,
    log: Option<Filter>,
}

/// Serves probes, metrics and all that [`kit_debug`] has; returns also what takes
/// notice that it was `ready` once, and has started.
///
/// # Panics
///
/// Panics outside of a runtime.
pub fn router(
    flags: &Serve,
    gate: &Gate,
    seen: &Seen,
    ready: watch::Receiver<bool>,
) -> (Router, impl Future<Output = ()> + Send + use<>) {
    let (started, starts) = kit_debug::started(ready.clone());
    let servers = seen.clone();
    seen.show("guard", gate.guard().clone());
    let mut port = Debug::new()
        .guard(gate.guard().clone())
        .ready(ready)
        .started(started)
        .build_info(BUILD)
        .states(&seen.states)
        .requests(move || servers.in_flight())
        .runtime(&tokio::runtime::Handle::current())
        .pprof()
        .mount_open("/metrics", "Metrics, as Prometheus reads them", seen.metrics.service());
    if let Some(filter) = seen.log.clone() {
        let service = LogService::new(filter);
        port = port.mount(
            "/debug/log",
            "What is logged; PUT sets `filter` and `for_seconds`",
            service,
        );
    }
    // Text by text is JSON, whatever it says.
    if let Ok(config) = Redactor::new().show(PATHS).redact(&flags.said) {
        port = port.config(config);
    }
    (port.into_router(), starts)
}

// ===== impl Shows =====

impl Shows for Prometheus {
    fn show(&self, _: &'static str, component: impl Inspect + Clone + 'static) {
        self.collect(component);
    }
}

impl Shows for Seen {
    fn show(&self, name: &'static str, component: impl Inspect + Clone + 'static) {
        self.metrics.show(name, component.clone());
        self.states.add(name, component);
    }

    fn show_server(&self, name: &'static str, server: Handle) {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner).push((name, server.clone()));
        self.show("connections", server);
    }
}

// ===== impl Seen =====

impl Seen {
    /// Shows what is logged, and lets it be changed, if that may be.
    #[must_use]
    pub fn log(mut self, filter: Option<&Filter>) -> Self {
        if let Some(filter) = filter {
            self.show("log", filter.clone());
        }
        self.log = filter.cloned();
        self
    }

    /// Shows what became of spans, if they are sent.
    #[must_use]
    pub fn traces(self, traces: Option<&Tracing>) -> Self {
        if let Some(traces) = traces {
            self.show("traces", traces.clone());
        }
        self
    }

    fn in_flight(&self) -> Vec<InFlight> {
        let servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let of = |(name, server): (&str, Handle)| {
            let server_name = name.to_owned();
            server.in_flight().into_iter().map(move |request| InFlight {
                server: server_name.clone(),
                method: request.method.to_string(),
                path: request.path,
                peer: request.peer.to_string(),
                age: request.age,
            })
        };
        servers.into_iter().flat_map(of).collect()
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seen").field("states", &self.states).finish_non_exhaustive()
    }
}
