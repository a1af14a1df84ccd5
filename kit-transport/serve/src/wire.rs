//! The bytes of a connection, noted as they pass.

use crate::{
    Greeted, Refusal,
    conn::Conn,
    frames::Frames,
    framing::{Framing, HeadLimits},
};
use pin_project_lite::pin_project;
use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// With what an HTTP/2 connection begins (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Too few bytes came to tell.
    Unknown,
    Http1,
    Http2,
}

pin_project! {
    /// Tells a [`Conn`] what passes through it, and turns a peer away in HTTP/1
    /// where hyper has no request to answer.
    pub(crate) struct Wire<Io> {
        #[pin]
        io: Io,
        // How much of the preface came; `None` once that is settled.
        preface: Option<usize>,
        framing: Framing,
        frames: Frames,
        turning: Turning,
        // It is shut down, and lingers.
        is_shut: bool,
        greeted: fn(&Io) -> Option<Greeted>,
        reset: fn(&Io),
        conn: Arc<Conn>,
    }

    impl<Io> PinnedDrop for Wire<Io> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if this.conn.is_to_reset() {
                (this.reset)(&this.io);
            }
        }
    }
}

/// How far a refusal is.
#[derive(Debug)]
enum Turning {
    /// It waits until nothing else is to be written.
    Due,
    Saying {
        text: Vec<u8>,
        said: usize,
    },
    /// What the peer still sends is read, or its system would throw away what
    /// we said with the connection (RFC 9112, section 9.6).
    Lingering,
}

// ===== impl Wire =====

impl<Io> Wire<Io> {
    /// Asks `greeted` with each read, until it says who the peer is; `reset` makes
    /// the end of a connection a hard one.
    pub(crate) const fn new(
        io: Io,
        conn: Arc<Conn>,
        limits: HeadLimits,
        greeted: fn(&Io) -> Option<Greeted>,
        reset: fn(&Io),
    ) -> Self {
        let framing = Framing::new(limits);
        let (preface, turning) = (Some(0), Turning::Due);
        let frames = Frames::new();
        Self { io, preface, framing, frames, turning, is_shut: false, greeted, reset, conn }
    }
}

impl<Io: AsyncRead + AsyncWrite> Wire<Io> {
    /// Says the refusal; what it reads is the end.
    fn turn_away(
        self: Pin<&mut Self>,
        refusal: Refusal,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut this = self.project();
        loop {
            match this.turning {
                // A reply is on its way: whoever polls us looks again after it.
                Turning::Due if this.conn.active() > 0 || this.conn.is_blocked() => {
                    return Poll::Pending;
                }
                Turning::Due => {
                    this.conn.set_turning();
                    *this.turning = Turning::Saying { text: refusal.http1(), said: 0 };
                }
                Turning::Saying { text, said } => {
                    while *said < text.len() {
                        match ready!(this.io.as_mut().poll_write(cx, &text[*said..]))? {
                            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                            more => *said += more,
                        }
                    }
                    ready!(this.io.as_mut().poll_shutdown(cx))?;
                    *this.turning = Turning::Lingering;
                }
                Turning::Lingering => {
                    let before = buf.filled().len();
                    ready!(this.io.as_mut().poll_read(cx, buf))?;
                    let is_end = buf.filled().len() == before;
                    buf.set_filled(before);
                    if is_end {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
    }
}

/// Compares `bytes` with the preface, of which `came` bytes came already.
fn sniff(came: usize, bytes: &[u8]) -> (Option<usize>, Protocol) {
    let expected = &PREFACE[came..];
    let common = expected.len().min(bytes.len());
    if bytes.is_empty() || bytes[..common] != expected[..common] {
        (None, Protocol::Http1)
    } else if common == expected.len() {
        (None, Protocol::Http2)
    } else {
        (Some(came + common), Protocol::Unknown)
    }
}

impl<Io: AsyncRead + AsyncWrite> AsyncRead for Wire<Io> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.as_mut().project();
        if this.conn.is_stopped() {
            if let Some(refusal) = this.conn.refusal() {
                return self.turn_away(refusal, cx, buf);
            }
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the body is late")));
        }
        let before = buf.filled().len();
        let mut io = this.io;
        let read = io.as_mut().poll_read(cx, buf)?;
        if !this.conn.is_greeted()
            && let Some(greeted) = (this.greeted)(&io)
        {
            this.conn.greet(greeted);
        }
        if read.is_pending() {
            this.conn.set_owing(this.framing.is_in_body());
            return Poll::Pending;
        }
        let mut bytes = &buf.filled()[before..];
        this.conn.add_read(bytes.len());
        if let Some(came) = *this.preface {
            let (rest, protocol) = sniff(came, bytes);
            *this.preface = rest;
            this.conn.set_protocol(protocol);
            if protocol == Protocol::Http2 {
                this.framing.lose();
                this.conn.set_place(false, false);
                bytes = &bytes[PREFACE.len() - came..];
            }
        }
        if this.conn.protocol() == Protocol::Http2 {
            if this.frames.read(bytes, this.conn.written()) {
                return Poll::Ready(Ok(()));
            }
            this.conn.note(Refusal::TooManyFrames);
            return Poll::Ready(Err(io::Error::other(Refusal::TooManyFrames)));
        }
        if this.conn.is_upgraded() {
            this.framing.lose();
        }
        if let Err(much) = this.framing.read(bytes) {
            this.conn.refuse(much.refusal);
            buf.set_filled(before + much.before);
            if much.before == 0 {
                return self.turn_away(much.refusal, cx, buf);
            }
        }
        this.conn.set_place(this.framing.is_in_head(), this.framing.is_in_body());
        Poll::Ready(Ok(()))
    }
}

impl<Io: AsyncRead + AsyncWrite> AsyncWrite for Wire<Io> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        let written = this.io.poll_write(cx, buf);
        this.conn.wrote(&written);
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        let written = this.io.poll_write_vectored(cx, bufs);
        this.conn.wrote(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        let flushed = this.io.poll_flush(cx);
        this.conn.flushed(flushed.is_ready());
        flushed
    }

    /// Where a part of a body is still to come, it lingers: else the system
    /// would answer that part by a reset, which takes the reply along.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut this = self.project();
        if !*this.is_shut {
            ready!(this.io.as_mut().poll_shutdown(cx))?;
            *this.is_shut = true;
            if !this.framing.is_in_body() {
                return Poll::Ready(Ok(()));
            }
            this.conn.set_lingering();
        }
        if !this.conn.is_lingering() {
            return Poll::Ready(Ok(()));
        }
        let mut thrown = [MaybeUninit::uninit(); 4096];
        loop {
            let mut buf = ReadBuf::uninit(&mut thrown);
            // Who resets it now has what it wanted.
            let is_over = ready!(this.io.as_mut().poll_read(cx, &mut buf)).is_err();
            if is_over || buf.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preface_may_come_in_any_pieces() {
        for at in 1..PREFACE.len() {
            let (rest, protocol) = sniff(0, &PREFACE[..at]);
            assert_eq!((rest, protocol), (Some(at), Protocol::Unknown));
            assert_eq!(sniff(at, &PREFACE[at..]), (None, Protocol::Http2));
        }
        assert_eq!(sniff(0, &[PREFACE, &b"more"[..]].concat()), (None, Protocol::Http2));
    }

    #[test]
    fn anything_else_is_http1() {
        assert_eq!(sniff(0, b"GET"), (None, Protocol::Http1));
        assert_eq!(sniff(0, b"PUT"), (None, Protocol::Http1));
        assert_eq!(sniff(1, b"OST"), (None, Protocol::Http1));
        assert_eq!(sniff(3, b""), (None, Protocol::Http1));
    }
}
