use crate::{
    Refusal,
    phase::Waiting,
    shared::{Command, Shared},
};
use http::Method;
use kit_endpoint::{Inspect, Inspector, Peer};
use std::{error::Error, fmt, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

/// Watches and stops a [`Server`](crate::Server); cheap to clone.
///
/// ```
/// # use kit_serve::Handle;
/// # use std::time::Duration;
/// # async fn stop(handle: Handle) {
/// for request in handle.in_flight() {
///     println!("waiting for {request}");
/// }
/// if let Err(cut) = handle.drain_within(Duration::from_secs(25)).await {
///     println!("{cut}");
/// }
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
    pub(crate) command: watch::Sender<Command>,
    /// Its sender falls with the server.
    pub(crate) stopped: watch::Receiver<()>,
}

/// A request that is being answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InFlight {
    /// Its method; of one of its own making, the first 16 bytes.
    pub method: Method,
    /// Its path, the first 96 bytes of it; never the query.
    pub path: String,
    /// Who sent it.
    pub peer: Peer,
    /// How long ago its head came, in whole milliseconds.
    pub age: Duration,
}

/// The limit of a drain passed, and what was still in flight was cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    requests: Arc<[InFlight]>,
}

/// Drains servers all at once, and after `limit` cuts what is still in flight,
/// wherever it is.
///
/// Nobody waits for another: each closes its listener at once, and those that are
/// done before the limit are not cut.
///
/// ```
/// # use kit_serve::{Cut, Handle};
/// # use std::time::Duration;
/// # async fn stop(http: Handle, grpc: Handle) -> Result<(), Cut> {
/// kit_serve::drain_all([http, grpc], Duration::from_secs(25)).await
/// # }
/// ```
///
/// # Errors
///
/// The first [`Cut`], in the order of the handles. The servers themselves end
/// each with its own.
pub async fn drain_all(
    handles: impl IntoIterator<Item = Handle>,
    limit: Duration,
) -> Result<(), Cut> {
    let handles: Vec<_> = handles.into_iter().collect();
    let ask = |command| handles.iter().for_each(|handle| handle.ask(command));
    let drained = async || {
        for handle in &handles {
            handle.drain().await;
        }
    };
    ask(Command::Drain);
    if timeout(limit, drained()).await.is_err() {
        ask(Command::Cut);
        drained().await;
    }
    let mut cut = handles.iter().filter_map(|handle| handle.shared.cut.get());
    cut.next().map_or(Ok(()), |cut| Err(cut.clone()))
}

// ===== impl Handle =====

impl Handle {
    /// Closes the listener; open connections are served on.
    ///
    /// The server ends when the last of them does.
    pub fn stop_accepting(&self) {
        self.ask(Command::StopAccepting);
    }

    /// Begins the drain and waits until it is over: closes the listener, tells
    /// each connection to close (`Connection: close`, GOAWAY), and lets what
    /// is in flight finish, however long it takes.
    ///
    /// Dropping the future leaves the drain under way. A server that nobody
    /// polls does not drain.
    pub async fn drain(&self) {
        self.ask(Command::Drain);
        let mut stopped = self.stopped.clone();
        while stopped.changed().await.is_ok() {}
    }

    /// [Drains](Self::drain), and after `limit` cuts what is still in flight.
    ///
    /// # Errors
    ///
    /// [`Cut`] lists the requests that were cut.
    pub async fn drain_within(&self, limit: Duration) -> Result<(), Cut> {
        drain_all([self.clone()], limit).await
    }

    /// Lists the requests whose replies are not yet sent, in no order.
    #[must_use]
    pub fn in_flight(&self) -> Vec<InFlight> {
        self.shared.in_flight()
    }

    /// Counts the open connections.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections().len()
    }

    /// Returns the address that the server listens on, if it has one.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.shared.local_addr
    }

    fn ask(&self, command: Command) {
        self.command.send_if_modified(|asked| {
            let more = *asked < command;
            *asked = (*asked).max(command);
            more
        });
    }

    fn state(&self) -> &'static str {
        if self.stopped.has_changed().is_err() {
            return "stopped";
        }
        match *self.command.borrow() {
            Command::Accept => "accepting",
            Command::StopAccepting => "closed",
            Command::Drain | Command::Cut => "draining",
        }
    }
}

/// Tells `serve_state`, the connections and what became of them; with the
/// label `server` if the server has a name.
impl Inspect for Handle {
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    fn inspect(&self, inspector: &mut dyn Inspector) {
        let stats = &self.shared.stats;
        let (open, active) = {
            let connections = self.shared.connections();
            (connections.len(), connections.values().map(|conn| u64::from(conn.active())).sum())
        };
        let active: u64 = active;
        let name = self.shared.name.get().map(|name| ("server", &**name));
        let labels = name.as_slice();
        let limit = self.shared.limit.load(std::sync::atomic::Ordering::Relaxed);

        inspector.state("serve_state", "What the accept loop does.", labels, self.state());
        inspector.gauge("serve_connections", "Open connections.", labels, open as f64);
        inspector.gauge(
            "serve_connections_limit",
            "Open connections at which no more are accepted.",
            labels,
            limit as f64,
        );
        inspector.gauge(
            "serve_requests_in_flight",
            "Requests whose replies are not yet sent.",
            labels,
            active as f64,
        );
        let counters = [
            ("serve_connections_total", "Connections accepted.", &stats.accepted),
            (
                "serve_accept_pauses_total",
                "Times that accepting paused, the connections being too many.",
                &stats.pauses,
            ),
            ("serve_accept_errors_total", "Errors of the listener.", &stats.accept_errors),
            ("serve_connection_errors_total", "Connections that broke.", &stats.connection_errors),
            ("serve_panics_total", "Requests whose service panicked.", &stats.panics),
            ("serve_cut_total", "Requests cut at the limit of a drain.", &stats.cut),
        ];
        for (name, help, count) in counters {
            inspector.counter(name, help, labels, count.get());
        }
        for (index, reason) in Refusal::NAMES.into_iter().enumerate() {
            let mut labels = labels.to_vec();
            labels.push(("reason", reason));
            inspector.counter(
                "serve_refusals_total",
                "Peers turned away before the service saw anything.",
                &labels,
                stats.refusals(index).get(),
            );
        }
        for waiting in Waiting::ALL {
            let mut labels = labels.to_vec();
            labels.push(("waiting", waiting.name()));
            inspector.counter(
                "serve_timeouts_total",
                "Connections closed because the peer took too long.",
                &labels,
                stats.timeouts(waiting).get(),
            );
        }
    }
}

// ===== impl Shared =====

impl Shared {
    pub(crate) fn in_flight(&self) -> Vec<InFlight> {
        let now = self.stats.millis(Instant::now());
        let mut requests = Vec::new();
        for conn in self.connections().values() {
            conn.slots.each(|entry| {
                requests.push(InFlight {
                    method: Method::from_bytes(&entry.method).unwrap_or_default(),
                    path: String::from_utf8_lossy(&entry.path).into_owned(),
                    peer: conn.peer,
                    age: Duration::from_millis(now.saturating_sub(entry.since)),
                });
            });
        }
        requests
    }
}

// ===== impl InFlight =====

impl fmt::Display for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, path, peer, age } = self;
        write!(f, "{method} {path} from {peer} after {age:?}")
    }
}

// ===== impl Cut =====

impl Cut {
    pub(crate) fn new(requests: Vec<InFlight>) -> Self {
        Self { requests: requests.into() }
    }

    /// Returns the requests that were cut.
    #[must_use]
    pub fn requests(&self) -> &[InFlight] {
        &self.requests
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.requests {
            [] => f.write_str("connections cut at the limit of the drain, no request among them"),
            requests => {
                let noun = if requests.len() == 1 { "request" } else { "requests" };
                write!(f, "{} {noun} cut at the limit of the drain", requests.len())?;
                for (n, request) in requests.iter().enumerate() {
                    write!(f, "{} {request}", if n == 0 { ":" } else { "," })?;
                }
                Ok(())
            }
        }
    }
}

impl Error for Cut {}
