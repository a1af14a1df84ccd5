//! What a connection's tasks share with each other and with the handle.

use crate::{peek::Protocol, shared::Stats, slots::Slots};
use kit_endpoint::Peer;
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence},
    },
    task::Waker,
    thread,
};
use tokio::time::Instant;

#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) peer: Peer,
    pub(crate) slots: Slots,
    pub(crate) stats: Arc<Stats>,
    /// A connection is a task of its own, so its waker stays the same.
    waker: OnceLock<Waker>,
    protocol: AtomicU8,
    read: AtomicU64,
    /// Calls begun.
    called: AtomicU64,
    /// Calls in flight.
    active: AtomicU32,
}

/// One call in flight; it is over when this is dropped.
#[derive(Debug)]
pub(crate) struct Call {
    conn: Arc<Conn>,
    slot: usize,
}

// ===== impl Conn =====

impl Conn {
    pub(crate) fn new(peer: Peer, stats: Arc<Stats>) -> Self {
        Self {
            peer,
            slots: Slots::default(),
            stats,
            waker: OnceLock::new(),
            protocol: AtomicU8::new(0),
            read: AtomicU64::new(0),
            called: AtomicU64::new(0),
            active: AtomicU32::new(0),
        }
    }

    pub(crate) fn begin<B>(self: &Arc<Self>, request: &http::Request<B>) -> Call {
        let since = self.stats.millis(Instant::now());
        let slot = self.slots.claim(request.method().as_str(), request.uri().path(), since);
        // Calls begin in the connection's task only, so nobody adds meanwhile.
        self.called.store(self.called() + 1, Ordering::Relaxed);
        self.active.fetch_add(1, Ordering::Relaxed);
        Call { conn: Arc::clone(self), slot }
    }

    pub(crate) fn called(&self) -> u64 {
        self.called.load(Ordering::Relaxed)
    }

    pub(crate) fn active(&self) -> u32 {
        self.active.load(Ordering::Acquire)
    }

    pub(crate) fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    pub(crate) fn add_read(&self, bytes: usize) {
        self.read.store(self.read() + bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn protocol(&self) -> Protocol {
        match self.protocol.load(Ordering::Relaxed) {
            0 => Protocol::Unknown,
            1 => Protocol::Http1,
            _ => Protocol::Http2,
        }
    }

    pub(crate) fn set_protocol(&self, protocol: Protocol) {
        let code = match protocol {
            Protocol::Unknown => 0,
            Protocol::Http1 => 1,
            Protocol::Http2 => 2,
        };
        self.protocol.store(code, Ordering::Relaxed);
    }

    /// Learns how to wake the connection's task, before its first look at
    /// whether it is to drain.
    pub(crate) fn set_waker(&self, waker: &Waker) {
        self.waker.get_or_init(|| waker.clone());
        fence(Ordering::SeqCst);
    }

    /// Wakes the connection's task, after something that it looks at changed.
    pub(crate) fn wake(&self) {
        fence(Ordering::SeqCst);
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }
}

// ===== impl Call =====

impl Drop for Call {
    fn drop(&mut self) {
        self.conn.slots.release(self.slot);
        if thread::panicking() {
            self.conn.stats.panics.add(1);
        }
        let last = self.conn.active.fetch_sub(1, Ordering::Release) == 1;
        // A stream ends in a task of its own, an HTTP/1 call in the connection's.
        // h2 wakes the connection too, but perhaps before the count is right.
        if last && self.conn.protocol() == Protocol::Http2 {
            self.conn.wake();
        }
    }
}

impl<E> kit_endpoint::Guard<E> for Call {
    fn end(self, _: Result<Option<&http::HeaderMap>, &E>) {}
}
