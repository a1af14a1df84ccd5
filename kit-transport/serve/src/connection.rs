//! The task of one connection.

use crate::{
    conn::Conn,
    limits::Limits,
    phase::{Phase, Seen, Waiting},
    shared::{Open, Shared},
};
use hyper_util::server::graceful::GracefulConnection;
use pin_project_lite::pin_project;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::time::{Instant, Sleep, sleep_until};

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
        phase: Phase,
        // When the phase has lasted too long.
        deadline: Option<Instant>,
        called: u64,
        read: u64,
        polled: bool,
        closing: bool,
        limits: Limits,
        conn: Arc<Conn>,
        shared: Arc<Shared>,
        _open: Open,
    }
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
        limits: Limits,
        conn: Arc<Conn>,
        shared: Arc<Shared>,
        open: Open,
    ) -> Self {
        let now = Instant::now();
        let deadline = now.checked_add(limits.sniff);
        Self {
            http,
            timer: sleep_until(deadline.unwrap_or(now)),
            rings: deadline,
            phase: Phase::Waiting(Waiting::Sniff),
            deadline,
            called: 0,
            read: 0,
            polled: false,
            closing: false,
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
        if !*this.polled {
            *this.polled = true;
            this.conn.set_waker(cx.waker());
        }
        loop {
            // First, so that a request which came before the drain is seen.
            if let Poll::Ready(result) = this.http.as_mut().poll(cx) {
                // hyper calls it an error to be closed before the first byte.
                let unused = *this.closing && *this.phase == Phase::Waiting(Waiting::Sniff);
                return Poll::Ready(match result {
                    Err(error) if !unused => Err(Ended::Failed(error)),
                    _ => Ok(()),
                });
            }
            if !*this.closing && this.shared.is_draining() {
                *this.closing = true;
                this.http.as_mut().graceful_shutdown();
                continue;
            }

            let (called, read) = (this.conn.called(), this.conn.read());
            let seen = Seen {
                protocol: this.conn.protocol(),
                active: this.conn.active(),
                called: called != *this.called,
                read: read != *this.read,
                closing: *this.closing,
            };
            let next = this.phase.next(seen);
            if next != *this.phase || seen.called {
                *this.deadline = match next {
                    Phase::Waiting(waiting) => {
                        Instant::now().checked_add(waiting.limit(this.limits))
                    }
                    Phase::Busy => None,
                };
            }
            (*this.phase, *this.called, *this.read) = (next, called, read);

            let (Phase::Waiting(waiting), Some(deadline)) = (next, *this.deadline) else {
                return Poll::Pending;
            };
            if this.rings.is_none_or(|rings| rings > deadline) {
                this.timer.as_mut().reset(deadline);
                *this.rings = Some(deadline);
            }
            if this.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if this.rings.take().is_some_and(|rang| rang < deadline) {
                continue;
            }
            this.conn.stats.timeouts(waiting).add(1);
            if waiting != Waiting::Idle || *this.closing {
                return Poll::Ready(Err(Ended::TimedOut(waiting)));
            }
            // A request may be on its way: hyper knows how to part.
            *this.closing = true;
            this.http.as_mut().graceful_shutdown();
        }
    }
}
