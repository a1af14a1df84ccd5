//! The bytes of a connection, noted as they pass.

use crate::conn::Conn;
use pin_project_lite::pin_project;
use std::{
    io::{self, IoSlice},
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
    /// Tells a [`Conn`] what is read from it, and nothing else.
    pub(crate) struct Peek<Io> {
        #[pin]
        io: Io,
        // How much of the preface came; `None` once that is settled.
        preface: Option<usize>,
        conn: Arc<Conn>,
    }
}

// ===== impl Peek =====

impl<Io> Peek<Io> {
    pub(crate) const fn new(io: Io, conn: Arc<Conn>) -> Self {
        Self { io, preface: Some(0), conn }
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

impl<Io: AsyncRead> AsyncRead for Peek<Io> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.project();
        let before = buf.filled().len();
        ready!(this.io.poll_read(cx, buf))?;
        let bytes = &buf.filled()[before..];
        if let Some(came) = *this.preface {
            let (rest, protocol) = sniff(came, bytes);
            *this.preface = rest;
            this.conn.set_protocol(protocol);
        }
        this.conn.add_read(bytes.len());
        Poll::Ready(Ok(()))
    }
}

impl<Io: AsyncWrite> AsyncWrite for Peek<Io> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().io.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().io.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_shutdown(cx)
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
