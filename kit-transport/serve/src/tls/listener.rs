use super::Certificates;
use crate::{Greeted, Listener};
use kit_endpoint::{Peer, TlsIdentity};
use rustls::pki_types::CertificateDer;
use std::{
    fmt, io,
    io::IoSlice,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::{Accept, TlsAcceptor, server::TlsStream};

/// A listener whose connections speak TLS.
#[derive(Debug)]
pub struct Tls<L> {
    listener: L,
    certificates: Certificates,
}

/// A connection over TLS; its first reads are the handshake.
pub struct TlsIo<Io>(State<Io>);

enum State<Io> {
    Handshake(Accept<Io>),
    Open(TlsStream<Io>),
    /// The handshake failed, which was told.
    Over,
}

// ===== impl Tls =====

impl<L> Tls<L> {
    /// Lets those who connect to `listener` speak TLS.
    pub const fn new(listener: L, certificates: Certificates) -> Self {
        Self { listener, certificates }
    }
}

impl<L: Listener> Listener for Tls<L> {
    type Io = TlsIo<L::Io>;

    const PLAIN: bool = false;

    async fn accept(&mut self) -> io::Result<(Self::Io, Peer)> {
        let (io, peer) = self.listener.accept().await?;
        let acceptor = TlsAcceptor::from(self.certificates.config());
        Ok((TlsIo(State::Handshake(acceptor.accept(io))), peer))
    }

    fn greeted(io: &Self::Io) -> Option<Greeted> {
        let State::Open(stream) = &io.0 else { return None };
        let identity = stream.get_ref().1.peer_certificates().and_then(identity);
        Some(Greeted::by(identity))
    }

    fn reset(io: &Self::Io) {
        if let State::Open(stream) = &io.0 {
            L::reset(stream.get_ref().0);
        }
    }

    fn stop(&mut self) -> bool {
        self.listener.stop()
    }

    fn release(&mut self) {
        self.listener.release();
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        self.listener.local_addr()
    }
}

fn identity(chain: &[CertificateDer<'_>]) -> Option<TlsIdentity> {
    let first = webpki::EndEntityCert::try_from(chain.first()?).ok()?;
    let mut identity = TlsIdentity::new(chain.iter().map(|one| one.to_vec()));
    for name in first.valid_dns_names() {
        identity = identity.dns_name(name);
    }
    for uri in first.valid_uri_names() {
        identity = identity.uri(uri);
    }
    Some(identity)
}

// ===== impl TlsIo =====

impl<Io: AsyncRead + AsyncWrite + Unpin> TlsIo<Io> {
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&mut TlsStream<Io>>> {
        if let State::Handshake(accept) = &mut self.0 {
            self.0 = match ready!(Pin::new(accept).poll(cx)) {
                Ok(stream) => State::Open(stream),
                Err(error) => {
                    self.0 = State::Over;
                    return Poll::Ready(Err(error));
                }
            };
        }
        Poll::Ready(match &mut self.0 {
            State::Open(stream) => Ok(stream),
            State::Handshake(_) | State::Over => Err(io::ErrorKind::NotConnected.into()),
        })
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsIo<Io> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = ready!(self.get_mut().poll_open(cx))?;
        // Whoever closes without a word (close_notify) ends a message that has a
        // length: hyper knows whether it was whole.
        match ready!(Pin::new(stream).poll_read(cx, buf)) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(())),
            read => Poll::Ready(read),
        }
    }
}

impl<Io: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsIo<Io> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(ready!(self.get_mut().poll_open(cx))?).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(ready!(self.get_mut().poll_open(cx))?).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            State::Open(stream) => Pin::new(stream).poll_flush(cx),
            State::Handshake(_) | State::Over => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            // Who has left already need not be told.
            State::Open(stream) => match ready!(Pin::new(stream).poll_shutdown(cx)) {
                Err(error) if has_left(error.kind()) => Poll::Ready(Ok(())),
                shut => Poll::Ready(shut),
            },
            // There is nobody to say goodbye to.
            State::Handshake(_) | State::Over => Poll::Ready(Ok(())),
        }
    }
}

const fn has_left(error: io::ErrorKind) -> bool {
    matches!(
        error,
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::NotConnected
    )
}

impl<Io> fmt::Debug for TlsIo<Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            State::Handshake(_) => "TlsIo(handshake)",
            State::Open(_) => "TlsIo(open)",
            State::Over => "TlsIo(over)",
        })
    }
}
