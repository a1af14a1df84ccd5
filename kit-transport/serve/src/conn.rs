//! What a connection's tasks share with each other and with the handle.

use crate::{Greeted, Refusal, shared::Stats, slots::Slots, wire::Protocol};
use http::{Method, Uri};
use kit_endpoint::{Peer, TlsIdentity};
use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering, fence},
    },
    task::{Poll, Waker},
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
    identity: OnceLock<TlsIdentity>,
    /// One that was right.
    pub(crate) host: OnceLock<Box<[u8]>>,
    /// Bits, which the connection's own task alone writes.
    flags: AtomicU16,
    /// Why the peer is turned away.
    refusal: OnceLock<Refusal>,
    read: AtomicU64,
    written: AtomicU64,
    /// Calls begun.
    called: AtomicU64,
    /// When the last one began, in milliseconds on the server's clock.
    begun: AtomicU64,
    /// Calls in flight.
    active: AtomicU32,
    /// Whether there are excesses.
    exceeds: AtomicBool,
    /// Calls whose bodies were too large, and which have not heard it.
    excesses: Mutex<Vec<u64>>,
}

/// The peer was waited for when we last looked: a part of a body is to come.
const OWING: u16 = 1;
/// The peer takes nothing more for now.
const BLOCKED: u16 = 2;
/// A part of a head came.
const IN_HEAD: u16 = 4;
/// What follows is not HTTP/1.
const UPGRADED: u16 = 8;
/// Nothing more is read for hyper.
const STOPPED: u16 = 16;
/// A refusal is being said.
const TURNING: u16 = 32;
/// It is closed on our side, and what still comes is thrown away.
const LINGERING: u16 = 64;
/// What comes before HTTP is agreed on.
const GREETED: u16 = 128;
/// A part of a body is to come.
const IN_BODY: u16 = 256;
/// The next reply is its last: it is too old.
const LAST: u16 = 512;

/// It is to end by a reset.
const RESET: u16 = 1024;

/// How many calls are remembered whose bodies were too large.
const EXCESSES: usize = 256;

/// One call in flight; it is over when this is dropped.
#[derive(Debug)]
pub(crate) struct Call {
    conn: Arc<Conn>,
    slot: usize,
    /// Odd while the peer has to take what it was given before it gets more.
    turn: u64,
    /// Which of the connection's it is, from 1 on.
    number: u64,
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
            identity: OnceLock::new(),
            host: OnceLock::new(),
            flags: AtomicU16::new(0),
            refusal: OnceLock::new(),
            read: AtomicU64::new(0),
            written: AtomicU64::new(0),
            called: AtomicU64::new(0),
            begun: AtomicU64::new(0),
            active: AtomicU32::new(0),
            exceeds: AtomicBool::new(false),
            excesses: Mutex::default(),
        }
    }

    pub(crate) fn begin(self: &Arc<Self>, method: &Method, uri: &Uri) -> Call {
        let since = self.stats.millis(Instant::now());
        let slot = self.slots.claim(method.as_str(), uri.path(), since);
        // Calls begin in the connection's task only, so nobody adds meanwhile.
        let number = self.called() + 1;
        self.called.store(number, Ordering::Relaxed);
        self.begun.store(since, Ordering::Relaxed);
        self.active.fetch_add(1, Ordering::Relaxed);
        Call { conn: Arc::clone(self), slot, turn: 0, number }
    }

    /// Takes notice that the body of this call is too large.
    pub(crate) fn exceed(&self, call: u64) {
        let mut excesses = self.excesses();
        // Of calls that were over before, nobody takes theirs away.
        if excesses.len() == EXCESSES {
            excesses.remove(0);
        }
        excesses.push(call);
        self.exceeds.store(true, Ordering::Release);
    }

    fn excesses(&self) -> MutexGuard<'_, Vec<u64>> {
        self.excesses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cold]
    fn takes_excess(&self, call: u64) -> bool {
        let mut excesses = self.excesses();
        let at = excesses.iter().position(|known| *known == call);
        let is_it = at.map(|at| excesses.swap_remove(at)).is_some();
        self.exceeds.store(!excesses.is_empty(), Ordering::Release);
        is_it
    }

    /// When the last call began, in milliseconds on the server's clock.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    fn flag(&self, flag: u16) -> bool {
        self.flags.load(Ordering::Relaxed) & flag != 0
    }

    fn set(&self, flag: u16, is: bool) {
        let flags = self.flags.load(Ordering::Relaxed);
        let set = if is { flags | flag } else { flags & !flag };
        self.flags.store(set, Ordering::Relaxed);
    }

    /// hyper wants a part of a body that the peer has not sent.
    pub(crate) fn is_owing(&self) -> bool {
        self.flag(OWING)
    }

    pub(crate) fn set_owing(&self, is: bool) {
        self.set(OWING, is);
    }

    /// The peer does not take what is written.
    pub(crate) fn is_blocked(&self) -> bool {
        self.flag(BLOCKED)
    }

    pub(crate) fn is_in_head(&self) -> bool {
        self.flag(IN_HEAD)
    }

    pub(crate) fn is_in_body(&self) -> bool {
        self.flag(IN_BODY)
    }

    /// No call is in flight, but the rest of its reply, or a part of the next
    /// head, or a refusal.
    pub(crate) fn is_amid(&self) -> bool {
        self.flag(BLOCKED | IN_HEAD | STOPPED) && self.active() == 0
    }

    pub(crate) fn set_place(&self, is_in_head: bool, is_in_body: bool) {
        self.set(IN_HEAD, is_in_head);
        self.set(IN_BODY, is_in_body);
    }

    /// The next reply is its last, of this connection or of all.
    pub(crate) fn is_last(&self) -> bool {
        self.flag(LAST) || self.stats.is_draining()
    }

    pub(crate) fn set_last(&self) {
        self.set(LAST, true);
    }

    /// What was written is not taken, and is to be thrown away at the end.
    pub(crate) fn is_to_reset(&self) -> bool {
        self.flag(RESET)
    }

    pub(crate) fn set_to_reset(&self) {
        self.set(RESET, true);
    }

    pub(crate) fn is_upgraded(&self) -> bool {
        self.flag(UPGRADED)
    }

    pub(crate) fn set_upgraded(&self) {
        self.set(UPGRADED, true);
    }

    /// Nothing is read for hyper any more: a refusal is due, or a body is late.
    pub(crate) fn is_stopped(&self) -> bool {
        self.flag(STOPPED)
    }

    pub(crate) fn stop(&self) {
        self.set(STOPPED, true);
    }

    /// Turns the peer away as soon as nothing else is to be written.
    pub(crate) fn refuse(&self, refusal: Refusal) {
        _ = self.refusal.set(refusal);
        self.stop();
    }

    /// Takes notice of a refusal that can't be said.
    pub(crate) fn note(&self, refusal: Refusal) {
        _ = self.refusal.set(refusal);
    }

    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.refusal.get().copied()
    }

    /// A refusal may be said now, and is not.
    pub(crate) fn may_turn(&self) -> bool {
        self.is_stopped()
            && !self.flag(TURNING | BLOCKED)
            && self.active() == 0
            && self.refusal().is_some()
    }

    pub(crate) fn is_greeted(&self) -> bool {
        self.flag(GREETED)
    }

    /// Learns who the peer is.
    pub(crate) fn greet(&self, greeted: Greeted) {
        if let Some(identity) = greeted.identity {
            _ = self.identity.set(identity);
        }
        self.set(GREETED, true);
    }

    /// Who the peer is, by its certificate.
    pub(crate) fn identity(&self) -> Option<&TlsIdentity> {
        self.identity.get()
    }

    pub(crate) fn is_lingering(&self) -> bool {
        self.flag(LINGERING)
    }

    pub(crate) fn set_lingering(&self) {
        self.set(LINGERING, true);
    }

    pub(crate) fn set_turning(&self) {
        self.set(TURNING, true);
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

    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Takes notice of an attempt to write.
    pub(crate) fn wrote(&self, written: &Poll<io::Result<usize>>) {
        match written {
            Poll::Pending => self.set(BLOCKED, true),
            Poll::Ready(Ok(bytes)) => {
                self.set(BLOCKED, false);
                self.written.store(self.written() + *bytes as u64, Ordering::Relaxed);
            }
            Poll::Ready(Err(_)) => {}
        }
    }

    /// Takes notice of an attempt to pass on what TLS has taken, and holds.
    pub(crate) fn flushed(&self, is: bool) {
        if self.is_blocked() == is {
            self.set(BLOCKED, !is);
        }
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

impl Call {
    pub(crate) const fn conn(&self) -> &Arc<Conn> {
        &self.conn
    }

    /// Which of its connection's it is.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// Its body was too large, which is said once.
    pub(crate) fn exceeds(&self) -> bool {
        self.conn.exceeds.load(Ordering::Acquire) && self.conn.takes_excess(self.number)
    }

    /// The reply is with the service: it is asked for more.
    pub(crate) fn ours(&mut self) {
        if self.turn & 1 == 1 {
            self.pass();
        }
    }

    /// The reply is with the peer: it was given a part.
    pub(crate) fn theirs(&mut self) {
        if self.turn & 1 == 0 {
            self.pass();
        }
    }

    fn pass(&mut self) {
        self.turn += 1;
        self.conn.slots.set_turn(self.slot, self.turn);
    }
}

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
