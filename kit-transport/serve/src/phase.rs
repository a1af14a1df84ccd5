//! What a connection is waiting for, and how long it may.

use crate::{limits::Limits, peek::Protocol};
use std::{fmt, time::Duration};

/// What a connection was waiting for when its time was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Waiting {
    /// The first bytes, by which HTTP/1 and HTTP/2 are told apart.
    Sniff,
    /// The rest of a request's head.
    Head,
    /// The next request.
    Idle,
    /// The peer's part in closing the connection.
    Close,
}

/// Where a connection is: it waits for the peer, or the peer waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Waiting(Waiting),
    Busy,
}

/// What is known of a connection after it was polled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) protocol: Protocol,
    /// Calls in flight.
    pub(crate) active: u32,
    /// A call began since the last look.
    pub(crate) called: bool,
    /// Bytes came since the last look.
    pub(crate) read: bool,
    /// It is to be closed as soon as nothing is in flight.
    pub(crate) closing: bool,
}

// ===== impl Phase =====

impl Phase {
    pub(crate) const fn next(self, seen: Seen) -> Self {
        if seen.active > 0 {
            return Self::Busy;
        }
        let idle = Self::Waiting(if seen.closing { Waiting::Close } else { Waiting::Idle });
        match (self, seen.protocol) {
            (_, Protocol::Unknown) => self,
            // A call came and went.
            (Self::Busy, _) => idle,
            (_, _) if seen.called => idle,
            (Self::Waiting(Waiting::Sniff), Protocol::Http1) => Self::Waiting(Waiting::Head),
            (Self::Waiting(Waiting::Idle | Waiting::Close), Protocol::Http1) if seen.read => {
                Self::Waiting(Waiting::Head)
            }
            // Frames say nothing about requests, so HTTP/2 is idle without streams.
            (Self::Waiting(Waiting::Sniff | Waiting::Idle), _) => idle,
            _ => self,
        }
    }
}

// ===== impl Waiting =====

impl Waiting {
    pub(crate) const ALL: [Self; 4] = [Self::Sniff, Self::Head, Self::Idle, Self::Close];

    pub(crate) const fn limit(self, limits: &Limits) -> Duration {
        match self {
            Self::Sniff => limits.sniff,
            Self::Head | Self::Close => limits.head,
            Self::Idle => limits.idle,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sniff => "sniff",
            Self::Head => "head",
            Self::Idle => "idle",
            Self::Close => "close",
        }
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sniff => "the first bytes",
            Self::Head => "the head of a request",
            Self::Idle => "the next request",
            Self::Close => "the peer to close",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Seen =
        Seen { protocol: Protocol::Http1, active: 0, called: false, read: false, closing: false };

    #[test]
    fn head_and_idle_are_told_apart() {
        let sniff = Phase::Waiting(Waiting::Sniff);
        let head = Phase::Waiting(Waiting::Head);
        let idle = Phase::Waiting(Waiting::Idle);
        assert_eq!(sniff.next(Seen { protocol: Protocol::Unknown, ..QUIET }), sniff);
        assert_eq!(sniff.next(Seen { read: true, ..QUIET }), head);
        assert_eq!(head.next(Seen { read: true, ..QUIET }), head);
        assert_eq!(head.next(Seen { active: 1, called: true, ..QUIET }), Phase::Busy);
        assert_eq!(Phase::Busy.next(QUIET), idle);
        assert_eq!(idle.next(QUIET), idle);
        assert_eq!(idle.next(Seen { read: true, ..QUIET }), head);
    }

    #[test]
    fn a_call_that_came_and_went_at_once_ends_in_idle() {
        let head = Phase::Waiting(Waiting::Head);
        let idle = Phase::Waiting(Waiting::Idle);
        assert_eq!(head.next(Seen { called: true, read: true, ..QUIET }), idle);
        assert_eq!(idle.next(Seen { called: true, read: true, ..QUIET }), idle);
    }

    #[test]
    fn http2_is_idle_without_streams_whatever_it_reads() {
        let http2 = Seen { protocol: Protocol::Http2, read: true, ..QUIET };
        let idle = Phase::Waiting(Waiting::Idle);
        assert_eq!(Phase::Waiting(Waiting::Sniff).next(http2), idle);
        assert_eq!(idle.next(http2), idle);
        assert_eq!(idle.next(Seen { active: 2, ..http2 }), Phase::Busy);
    }

    #[test]
    fn what_is_closing_waits_for_the_peer_to_close() {
        let closing = Seen { closing: true, ..QUIET };
        let close = Phase::Waiting(Waiting::Close);
        assert_eq!(Phase::Busy.next(closing), close);
        assert_eq!(Phase::Waiting(Waiting::Idle).next(closing), close);
        assert_eq!(close.next(closing), close);
        assert_eq!(Phase::Waiting(Waiting::Head).next(closing), Phase::Waiting(Waiting::Head));
    }
}
