//! The task of one connection.

use crate::{
    Refusal,
    conn::Conn,
    limits::Limits,
    pace::{Pace, Rate},
    phase::{Ends, Phase, Seen, Waiting},
    shared::{Open, Shared},
    wire::Protocol,
};
use hyper_util::server::graceful::GracefulConnection;
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    task::coop::has_budget_remaining,
    time::{Instant, Sleep, sleep_until},
};

/// How long what is already lost may take to end well: a peer that was turned
/// away to close, a service to answer a body that never came.
const LINGER: Duration = Duration::from_millis(500);

/// How often in the time that a connection may be idle it is looked at whether
/// HTTP/2 replies get on. A peer that reads opens their windows by half of what
/// they are at once, so that they stand still for long where it reads slowly.
const LOOKS: u32 = 2;

pin_project! {
    /// Drives hyper's connection, and closes it when it waited too long.
    ///
    /// One timer serves all that it may wait for. Moving a timer costs more
    /// than looking at the clock, so it is moved only when it is set too late;
    /// set too early, it rings, and is moved then.
    pub(crate) struct Connection<H> {
        #[pin]
        http: H,
        #[pin]
        timer: Sleep,
        // When the timer rings; `None` when it has.
        rings: Option<Instant>,
        // It knows whom to wake: this task, which stays the same.
        is_armed: bool,
        polled: bool,
        state: State,
        limits: Arc<Limits>,
        conn: Arc<Conn>,
        shared: Arc<Shared>,
        _open: Open,
    }
}

/// Where a connection is, and what will end it.
#[derive(Debug)]
struct State {
    phase: Phase,
    /// When the phase has lasted too long.
    deadline: Option<Instant>,
    /// How much was written when it began.
    written: u64,
    body: Pace,
    reply: Pace,
    /// When to look whether HTTP/2 replies get on.
    stall: Option<Instant>,
    /// At how many looks in a row they had not.
    stalled: u32,
    /// When it is too old; then, when its last calls must be over.
    expires: Option<Instant>,
    /// When it was quiet for long enough to be closed by a drain.
    quiet: Option<Instant>,
    /// When the service must have answered for a body that was late.
    last_word: Option<Instant>,
    called: u64,
    closing: bool,
    aged: bool,
    /// The refusal was told.
    told: bool,
}

/// What may end the wait of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Waited(Waiting),
    Stall,
    Age,
    Quiet,
    LastWord,
}

/// How long until it is looked again at whether HTTP/2 replies get on.
fn between_looks(limits: &Limits) -> Duration {
    (limits.idle / LOOKS).max(Duration::from_secs(1))
}

/// How a connection ended, if it did not end well.
#[derive(Debug)]
pub(crate) enum Ended<E> {
    Failed(E),
    TimedOut(Waiting),
}

// ===== impl Connection =====

impl<H> Connection<H> {
    pub(crate) fn new(
        http: H,
        limits: Arc<Limits>,
        conn: Arc<Conn>,
        shared: Arc<Shared>,
        open: Open,
    ) -> Self {
        let now = Instant::now();
        let deadline = now.checked_add(limits.handshake);
        let age = limits.age.map(|age| age.as_secs_f64() * open.jitter());
        // One that no clock reaches is none.
        let age = age.and_then(|age| Duration::try_from_secs_f64(age).ok());
        let state = State {
            phase: Phase::Waiting(Waiting::Handshake),
            deadline,
            written: 0,
            body: Pace::new(limits.body),
            reply: Pace::new(limits.reply),
            stall: None,
            stalled: 0,
            expires: age.and_then(|age| now.checked_add(age)),
            quiet: None,
            last_word: None,
            called: 0,
            closing: false,
            aged: false,
            told: false,
        };
        Self {
            http,
            timer: sleep_until(deadline.unwrap_or(now)),
            rings: deadline,
            is_armed: false,
            polled: false,
            state,
            limits,
            conn,
            shared,
            _open: open,
        }
    }
}

impl<H: GracefulConnection> Future for Connection<H> {
    type Output = Result<(), Ended<H::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let (state, conn, limits) = (this.state, &**this.conn, &**this.limits);
        if !*this.polled {
            *this.polled = true;
            conn.set_waker(cx.waker());
        }
        let mut nudged = false;
        loop {
            conn.set_owing(false);
            // First, so that a request which came before the drain is seen.
            let ended = this.http.as_mut().poll(cx);
            if let Some(refusal) = conn.refusal().filter(|_| !state.told) {
                state.told = true;
                this.shared.refused(conn.peer, refusal);
            }
            if let Poll::Ready(result) = ended {
                return Poll::Ready(state.ended(result));
            }
            // It is said when hyper reads again.
            if conn.may_turn() && !nudged {
                nudged = true;
                continue;
            }
            let ends = state.aged || conn.stats.is_draining();
            if !state.closing && ends && state.closes_now(conn, limits) {
                state.closing = true;
                this.http.as_mut().graceful_shutdown();
                continue;
            }

            state.advance(conn, limits);
            let Some((deadline, cause)) = state.soonest(conn, limits) else {
                return Poll::Pending;
            };
            if this.rings.is_none_or(|rings| rings > deadline) {
                this.timer.as_mut().reset(deadline);
                *this.rings = Some(deadline);
                *this.is_armed = false;
            }
            if *this.is_armed && !this.timer.is_elapsed() {
                return Poll::Pending;
            }
            // Without budget it is not looked at, and knows nobody: tokio has woken us
            // already, to look again.
            let is_looked_at = has_budget_remaining();
            if this.timer.as_mut().poll(cx).is_pending() {
                *this.is_armed = is_looked_at;
                return Poll::Pending;
            }
            *this.is_armed = false;
            if this.rings.take().is_some_and(|rang| rang < deadline) {
                continue;
            }
            match state.over(cause, conn, limits) {
                Over::Ends(None) => return Poll::Ready(state.ended(Ok(()))),
                Over::Ends(Some(waiting)) => {
                    conn.stats.timeouts(waiting).add(1);
                    if waiting == Waiting::Reply {
                        conn.set_to_reset();
                    }
                    return Poll::Ready(Err(Ended::TimedOut(waiting)));
                }
                Over::Closes(waiting) => {
                    if let Some(waiting) = waiting {
                        conn.stats.timeouts(waiting).add(1);
                    }
                    // A request may be on its way: hyper knows how to part.
                    state.closing = true;
                    this.http.as_mut().graceful_shutdown();
                }
                Over::GoesOn(waiting) => {
                    if let Some(waiting) = waiting {
                        conn.stats.timeouts(waiting).add(1);
                    }
                }
            }
        }
    }
}

/// What follows when a wait was too long; a peer's fault is told.
enum Over {
    Ends(Option<Waiting>),
    Closes(Option<Waiting>),
    GoesOn(Option<Waiting>),
}

// ===== impl State =====

impl State {
    fn ended<E>(&self, result: Result<(), E>) -> Result<(), Ended<E>> {
        if self.last_word.is_some() {
            return Err(Ended::TimedOut(Waiting::Body));
        }
        // hyper calls it an error to be closed before the first byte, and in the
        // middle of a head.
        let unused = self.closing
            && matches!(self.phase, Phase::Waiting(Waiting::Handshake | Waiting::Sniff));
        match result {
            Err(error) if !unused && !self.told => Err(Ended::Failed(error)),
            _ => Ok(()),
        }
    }

    /// Says whether a drain closes it now: HTTP/1 without a request is left
    /// open for a while, since one may be on its way.
    fn closes_now(&mut self, conn: &Conn, limits: &Limits) -> bool {
        // hyper would drop what is left of it; each has a time of its own.
        if conn.is_amid() {
            return false;
        }
        let is_idle =
            conn.protocol() != Protocol::Http2 && conn.active() == 0 && !conn.is_in_body();
        if is_idle && self.quiet.is_none() {
            self.quiet = Instant::now().checked_add(limits.quiet);
        }
        !is_idle
    }

    /// Takes notice of what happened since the last look.
    fn advance(&mut self, conn: &Conn, limits: &Limits) {
        let called = conn.called();
        let ends = match () {
            () if conn.is_stopped() || conn.is_lingering() => Ends::Now,
            () if self.closing => Ends::Idle,
            () => Ends::No,
        };
        let seen = Seen {
            protocol: conn.is_greeted().then(|| conn.protocol()),
            busy: conn.active() > 0 || conn.is_blocked() || conn.is_in_body() && ends != Ends::Now,
            called: called != self.called,
            in_head: conn.is_in_head(),
            ends,
        };
        let next = self.phase.next(seen);
        if next != self.phase || seen.called {
            self.deadline = match next {
                Phase::Waiting(Waiting::Close) if ends == Ends::Now => {
                    Instant::now().checked_add(LINGER)
                }
                Phase::Waiting(waiting) => Instant::now().checked_add(waiting.limit(limits)),
                Phase::Busy => None,
            };
            self.written = conn.written();
        }
        if seen.called {
            self.body.renew(limits.body);
        }
        (self.phase, self.called) = (next, called);
    }

    /// Returns what will have lasted too long first.
    fn soonest(&mut self, conn: &Conn, limits: &Limits) -> Option<(Instant, Cause)> {
        let mut soonest = None;
        let mut look = |at: Option<Instant>, cause: Cause| {
            if let Some(at) = at
                && soonest.is_none_or(|(first, _)| at < first)
            {
                soonest = Some((at, cause));
            }
        };
        if let Phase::Waiting(waiting) = self.phase {
            look(self.deadline, Cause::Waited(waiting));
        }
        let (owes, blocks) = (conn.is_owing(), conn.is_blocked());
        if owes || blocks || self.body.is_waiting() || self.reply.is_waiting() {
            let now = Instant::now();
            let body = self.body.look(limits.body, owes, conn.read(), now);
            if self.last_word.is_none() {
                look(body, Cause::Waited(Waiting::Body));
            }
            let reply = self.reply.look(limits.reply, blocks, conn.written(), now);
            look(reply, Cause::Waited(Waiting::Reply));
        }
        if conn.active() > 0 && conn.protocol() == Protocol::Http2 {
            let begun = || conn.stats.at(conn.begun()).checked_add(between_looks(limits));
            self.stall = self.stall.or_else(begun);
            look(self.stall, Cause::Stall);
        } else {
            (self.stall, self.stalled) = (None, 0);
        }
        look(self.expires, Cause::Age);
        if !self.closing && !conn.is_amid() {
            look(self.quiet, Cause::Quiet);
        }
        look(self.last_word, Cause::LastWord);
        soonest
    }

    /// Says whether the peer took so much since the last look that a reply must
    /// be on its way still: h2 has taken it from us, and sends it.
    fn gets_on(&mut self, conn: &Conn, limit: Duration, rate: Rate) -> bool {
        let written = conn.written() - self.written;
        self.written = conn.written();
        conn.protocol() == Protocol::Http2
            && rate.bytes > 0
            && written >= u64::from(rate.bytes).saturating_mul(limit.as_secs().max(1))
    }

    /// Says what follows when this lasted too long.
    fn over(&mut self, cause: Cause, conn: &Conn, limits: &Limits) -> Over {
        match cause {
            Cause::Waited(waiting @ (Waiting::Idle | Waiting::Close))
                if self.gets_on(conn, waiting.limit(limits), limits.reply) =>
            {
                self.deadline = Instant::now().checked_add(waiting.limit(limits));
                Over::GoesOn(None)
            }
            Cause::Waited(Waiting::Idle) if !self.closing => Over::Closes(Some(Waiting::Idle)),
            Cause::Waited(Waiting::Close) if conn.is_stopped() || conn.is_lingering() => {
                Over::Ends(None)
            }
            Cause::Waited(waiting @ (Waiting::Sniff | Waiting::Head)) => {
                // The first byte came, and it is not HTTP/2's.
                if conn.is_in_head() && conn.protocol() == Protocol::Http1 {
                    conn.refuse(Refusal::HeadTimeout);
                    return Over::GoesOn(Some(waiting));
                }
                Over::Ends(Some(waiting))
            }
            Cause::Waited(Waiting::Body) => {
                // The service hears it, and may still say so.
                conn.stop();
                self.last_word = Instant::now().checked_add(LINGER);
                Over::GoesOn(Some(Waiting::Body))
            }
            Cause::Waited(waiting) => Over::Ends(Some(waiting)),
            Cause::Stall => {
                // Both look, for the next time.
                let gets_on = self.gets_on(conn, between_looks(limits), limits.reply);
                let is_stalled = conn.slots.are_stalled() && !gets_on;
                self.stalled = if is_stalled { self.stalled + 1 } else { 0 };
                if self.stalled == LOOKS {
                    return Over::Ends(Some(Waiting::Reply));
                }
                self.stall = Instant::now().checked_add(between_looks(limits));
                Over::GoesOn(None)
            }
            Cause::Age if self.aged => Over::Ends(Some(Waiting::Age)),
            Cause::Age => {
                self.aged = true;
                self.expires = Instant::now().checked_add(limits.age_grace);
                conn.set_last();
                Over::GoesOn(None)
            }
            Cause::Quiet => Over::Closes(None),
            Cause::LastWord => Over::Ends(None),
        }
    }
}
