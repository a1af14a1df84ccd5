//! What the accept loop, its connections and its handles share.

use crate::{conn::Conn, handle::Cut, phase::Waiting};
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};
use tokio::time::Instant;

/// What a handle asks of the accept loop; each asks for all before it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Command {
    Accept,
    StopAccepting,
    Drain,
    Cut,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) stats: Arc<Stats>,
    pub(crate) local_addr: Option<SocketAddr>,
    pub(crate) name: OnceLock<Box<str>>,
    pub(crate) limit: AtomicUsize,
    pub(crate) cut: OnceLock<Cut>,
    draining: AtomicBool,
    /// Taken when a connection opens or closes, never for a request.
    connections: Mutex<HashMap<u64, Arc<Conn>>>,
}

#[derive(Debug)]
pub(crate) struct Stats {
    started: Instant,
    pub(crate) accepted: Count,
    pub(crate) pauses: Count,
    pub(crate) accept_errors: Count,
    pub(crate) connection_errors: Count,
    pub(crate) panics: Count,
    pub(crate) cut: Count,
    timeouts: [Count; Waiting::ALL.len()],
}

#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

/// An entry among the open connections, until it is dropped.
#[derive(Debug)]
pub(crate) struct Open {
    shared: Arc<Shared>,
    id: u64,
}

// ===== impl Shared =====

impl Shared {
    pub(crate) fn new(local_addr: Option<SocketAddr>) -> Self {
        Self {
            stats: Arc::new(Stats::new()),
            local_addr,
            name: OnceLock::new(),
            limit: AtomicUsize::new(0),
            cut: OnceLock::new(),
            draining: AtomicBool::new(false),
            connections: Mutex::default(),
        }
    }

    pub(crate) fn open(self: &Arc<Self>, conn: Arc<Conn>) -> Open {
        let id = self.stats.accepted.add(1);
        self.connections().insert(id, conn);
        Open { shared: Arc::clone(self), id }
    }

    pub(crate) fn connections(&self) -> MutexGuard<'_, HashMap<u64, Arc<Conn>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
        for conn in self.connections().values() {
            conn.wake();
        }
    }
}

// ===== impl Stats =====

impl Stats {
    fn new() -> Self {
        Self {
            started: Instant::now(),
            accepted: Count::default(),
            pauses: Count::default(),
            accept_errors: Count::default(),
            connection_errors: Count::default(),
            panics: Count::default(),
            cut: Count::default(),
            timeouts: Default::default(),
        }
    }

    /// Milliseconds since the server was made.
    pub(crate) fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.started).as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) const fn timeouts(&self, waiting: Waiting) -> &Count {
        &self.timeouts[waiting as usize]
    }
}

// ===== impl Count =====

impl Count {
    /// Adds `n` and returns what it was before.
    pub(crate) fn add(&self, n: u64) -> u64 {
        self.0.fetch_add(n, Ordering::Relaxed)
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

// ===== impl Open =====

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.connections().remove(&self.id);
    }
}
