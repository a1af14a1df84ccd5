//! What a connection is waiting for, and how long it may.

use crate::{limits::Limits, wire::Protocol};
use std::{fmt, time::Duration};

/// What a connection was waiting for when its time was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Waiting {
    /// What comes before HTTP: a TLS handshake.
    Handshake,
    /// The first bytes, by which HTTP/1 and HTTP/2 are told apart.
    Sniff,
    /// The rest of a request's head.
    Head,
    /// More of a request's body.
    Body,
    /// The peer to take more of a reply.
    Reply,
    /// The next request.
    Idle,
    /// The last call of a connection that is too old.
    Age,
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
    /// None before a handshake is over.
    pub(crate) protocol: Option<Protocol>,
    /// A call is in flight, or its reply, which the peer has not taken.
    pub(crate) busy: bool,
    /// A call began since the last look.
    pub(crate) called: bool,
    /// A part of an HTTP/1 head came.
    pub(crate) in_head: bool,
    pub(crate) ends: Ends,
}

/// Whether a connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    /// It does.
    No,
    /// It is to be closed as soon as nothing is in flight.
    Idle,
    /// Nothing that comes matters any more.
    Now,
}

// ===== impl Phase =====

impl Phase {
    pub(crate) const fn next(self, seen: Seen) -> Self {
        let Some(protocol) = seen.protocol else { return self };
        if seen.busy {
            return Self::Busy;
        }
        let idle = match seen.ends {
            Ends::No => Self::Waiting(Waiting::Idle),
            Ends::Idle => Self::Waiting(Waiting::Close),
            Ends::Now => return Self::Waiting(Waiting::Close),
        };
        match (self, protocol) {
            (Self::Waiting(Waiting::Handshake), _) => Self::Waiting(Waiting::Sniff).next(seen),
            (_, Protocol::Unknown) => self,
            (Self::Busy, Protocol::Http1) if seen.in_head => Self::Waiting(Waiting::Head),
            // A call came and went.
            (Self::Busy, _) => idle,
            (_, Protocol::Http1) if seen.called && seen.in_head => Self::Waiting(Waiting::Head),
            (_, _) if seen.called => idle,
            (Self::Waiting(Waiting::Sniff), Protocol::Http1) => Self::Waiting(Waiting::Head),
            (Self::Waiting(Waiting::Idle | Waiting::Close), Protocol::Http1) if seen.in_head => {
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
    pub(crate) const ALL: [Self; 8] = [
        Self::Handshake,
        Self::Sniff,
        Self::Head,
        Self::Body,
        Self::Reply,
        Self::Idle,
        Self::Age,
        Self::Close,
    ];

    pub(crate) const fn limit(self, limits: &Limits) -> Duration {
        match self {
            Self::Handshake => limits.handshake,
            Self::Sniff => limits.sniff,
            Self::Head | Self::Close => limits.head,
            Self::Body => limits.body.patience,
            Self::Reply => limits.reply.patience,
            Self::Idle => limits.idle,
            Self::Age => limits.age_grace,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Sniff => "sniff",
            Self::Head => "head",
            Self::Body => "body",
            Self::Reply => "reply",
            Self::Idle => "idle",
            Self::Age => "age",
            Self::Close => "close",
        }
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handshake => "the handshake",
            Self::Sniff => "the first bytes",
            Self::Head => "the head of a request",
            Self::Body => "the body of a request",
            Self::Reply => "the peer to take the reply",
            Self::Idle => "the next request",
            Self::Age => "its last requests, being too old",
            Self::Close => "the peer to close",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Seen = Seen {
        protocol: Some(Protocol::Http1),
        busy: false,
        called: false,
        in_head: false,
        ends: Ends::No,
    };

    #[test]
    fn head_and_idle_are_told_apart() {
        let sniff = Phase::Waiting(Waiting::Sniff);
        let head = Phase::Waiting(Waiting::Head);
        let idle = Phase::Waiting(Waiting::Idle);
        assert_eq!(sniff.next(Seen { protocol: Some(Protocol::Unknown), ..QUIET }), sniff);
        assert_eq!(sniff.next(Seen { in_head: true, ..QUIET }), head);
        assert_eq!(head.next(Seen { in_head: true, ..QUIET }), head);
        assert_eq!(head.next(Seen { busy: true, called: true, ..QUIET }), Phase::Busy);
        assert_eq!(Phase::Busy.next(Seen { busy: true, ..QUIET }), Phase::Busy);
        assert_eq!(Phase::Busy.next(Seen { in_head: true, ..QUIET }), head);
        assert_eq!(head.next(Seen { called: true, in_head: true, ..QUIET }), head);
        assert_eq!(Phase::Busy.next(QUIET), idle);
        assert_eq!(idle.next(QUIET), idle);
        assert_eq!(idle.next(Seen { in_head: true, ..QUIET }), head);
    }

    #[test]
    fn after_the_handshake_come_the_first_bytes() {
        let handshake = Phase::Waiting(Waiting::Handshake);
        assert_eq!(handshake.next(Seen { protocol: None, ..QUIET }), handshake);
        let unknown = Seen { protocol: Some(Protocol::Unknown), ..QUIET };
        assert_eq!(handshake.next(unknown), Phase::Waiting(Waiting::Sniff));
        assert_eq!(handshake.next(QUIET), Phase::Waiting(Waiting::Head));
    }

    #[test]
    fn a_call_that_came_and_went_at_once_ends_in_idle() {
        let head = Phase::Waiting(Waiting::Head);
        let idle = Phase::Waiting(Waiting::Idle);
        assert_eq!(head.next(Seen { called: true, ..QUIET }), idle);
        assert_eq!(idle.next(Seen { called: true, ..QUIET }), idle);
    }

    #[test]
    fn http2_is_idle_without_streams_whatever_it_reads() {
        let http2 = Seen { protocol: Some(Protocol::Http2), in_head: true, ..QUIET };
        let idle = Phase::Waiting(Waiting::Idle);
        assert_eq!(Phase::Waiting(Waiting::Sniff).next(http2), idle);
        assert_eq!(idle.next(http2), idle);
        assert_eq!(idle.next(Seen { busy: true, ..http2 }), Phase::Busy);
    }

    #[test]
    fn what_is_closing_waits_for_the_peer_to_close() {
        let closing = Seen { ends: Ends::Idle, ..QUIET };
        let close = Phase::Waiting(Waiting::Close);
        assert_eq!(Phase::Busy.next(closing), close);
        assert_eq!(Phase::Waiting(Waiting::Idle).next(closing), close);
        assert_eq!(close.next(closing), close);
        assert_eq!(Phase::Waiting(Waiting::Head).next(closing), Phase::Waiting(Waiting::Head));
    }

    #[test]
    fn who_is_turned_away_waits_for_nothing_but_the_close() {
        let stopped = Seen { ends: Ends::Now, in_head: true, ..QUIET };
        let close = Phase::Waiting(Waiting::Close);
        for phase in [Phase::Busy, Phase::Waiting(Waiting::Head), close] {
            assert_eq!(phase.next(stopped), close);
        }
        assert_eq!(close.next(Seen { busy: true, ..stopped }), Phase::Busy);
    }
}
