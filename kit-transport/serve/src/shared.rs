//! What the accept loop, its connections and its handles share.

use crate::{Incident, Refusal, conn::Conn, handle::Cut, phase::Waiting};
use kit_endpoint::Peer;
use std::time::Duration;
use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};
use tokio::time::Instant;

type OnIncident = Arc<dyn Fn(Incident<'_>) + Send + Sync>;

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
    pub(crate) hear: Hear,
    /// Taken when a connection opens or closes, never for a request.
    connections: Mutex<HashMap<u64, Arc<Conn>>>,
    /// How many there are of each address, where that has a limit.
    of_peers: Mutex<HashMap<IpAddr, usize>>,
}

/// Who is told what goes wrong.
#[derive(Default)]
pub(crate) struct Hear(OnceLock<OnIncident>);

#[derive(Debug)]
pub(crate) struct Stats {
    started: Instant,
    draining: AtomicBool,
    pub(crate) accepted: Count,
    pub(crate) pauses: Count,
    pub(crate) accept_errors: Count,
    pub(crate) connection_errors: Count,
    pub(crate) panics: Count,
    pub(crate) cut: Count,
    refusals: [Count; Refusal::NAMES.len()],
    timeouts: [Count; Waiting::ALL.len()],
}

#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

/// An entry among the open connections, until it is dropped.
#[derive(Debug)]
pub(crate) struct Open {
    shared: Arc<Shared>,
    id: u64,
    /// The address that it counts for.
    of: Option<IpAddr>,
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
            hear: Hear::default(),
            connections: Mutex::default(),
            of_peers: Mutex::default(),
        }
    }

    /// Lets a connection in, if its address has fewer than `limit`.
    pub(crate) fn open(self: &Arc<Self>, conn: Arc<Conn>, limit: Option<usize>) -> Option<Open> {
        let id = self.stats.accepted.add(1);
        let of = conn.peer.addr().map(|addr| addr.ip().to_canonical());
        let of = match (of, limit) {
            (Some(of), Some(limit)) => {
                let mut peers = self.of_peers();
                let count = peers.entry(of).or_default();
                if *count >= limit {
                    return None;
                }
                *count += 1;
                Some(of)
            }
            _ => None,
        };
        self.connections().insert(id, conn);
        Some(Open { shared: Arc::clone(self), id, of })
    }

    fn of_peers(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.of_peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a refusal, and tells of it.
    pub(crate) fn refused(&self, peer: Peer, refusal: Refusal) {
        self.stats.refusals(refusal.index()).add(1);
        self.hear.tell(Incident::Refused { peer, refusal });
    }

    pub(crate) fn connections(&self) -> MutexGuard<'_, HashMap<u64, Arc<Conn>>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn drain(&self) {
        self.stats.draining.store(true, Ordering::Relaxed);
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
            draining: AtomicBool::new(false),
            accepted: Count::default(),
            pauses: Count::default(),
            accept_errors: Count::default(),
            connection_errors: Count::default(),
            panics: Count::default(),
            cut: Count::default(),
            refusals: Default::default(),
            timeouts: Default::default(),
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Milliseconds since the server was made.
    pub(crate) fn millis(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.started).as_millis()).unwrap_or(u64::MAX)
    }

    /// When so many milliseconds had passed since the server was made.
    pub(crate) fn at(&self, millis: u64) -> Instant {
        self.started + Duration::from_millis(millis)
    }

    /// How often a peer was turned away for the reason at this place.
    pub(crate) const fn refusals(&self, index: usize) -> &Count {
        &self.refusals[index]
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

// ===== impl Hear =====

impl Hear {
    pub(crate) fn set(&self, hear: OnIncident) {
        _ = self.0.set(hear);
    }

    pub(crate) fn tell(&self, incident: Incident<'_>) {
        if let Some(hear) = self.0.get() {
            hear(incident);
        }
    }
}

impl fmt::Debug for Hear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hear").finish_non_exhaustive()
    }
}

// ===== impl Open =====

impl Open {
    /// From 0.9 to 1.1, otherwise for each connection: spread over the numbers
    /// in the order of their golden section, no two in a row are near.
    pub(crate) fn jitter(&self) -> f64 {
        let spread = (self.id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32;
        0.9 + 0.2 * f64::from(spread) / f64::from(u32::MAX)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.connections().remove(&self.id);
        if let Some(of) = self.of {
            let mut peers = self.shared.of_peers();
            if let Some(count) = peers.get_mut(&of) {
                *count -= 1;
                if *count == 0 {
                    peers.remove(&of);
                }
            }
        }
    }
}
