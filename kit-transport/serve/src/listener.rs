use kit_endpoint::Peer;
use std::{future::Future, io, net::SocketAddr};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};

/// Where connections come from.
///
/// It is implemented for tokio's listeners. Implement it to serve something
/// else: TLS, a listener that counts, or pipes in memory for a test.
///
/// ```
/// use kit_serve::{Listener, Peer};
/// use std::io;
/// use tokio::{io::DuplexStream, sync::mpsc};
///
/// struct Pipes(mpsc::Receiver<DuplexStream>);
///
/// impl Listener for Pipes {
///     type Io = DuplexStream;
///
///     async fn accept(&mut self) -> io::Result<(Self::Io, Peer)> {
///         match self.0.recv().await {
///             Some(pipe) => Ok((pipe, Peer::Unix)),
///             None => std::future::pending().await,
///         }
///     }
/// }
/// ```
pub trait Listener: Send + 'static {
    /// A connection.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Waits for the next connection.
    ///
    /// Dropping the future must lose no connection. What takes long, as a
    /// handshake does, belongs into the first reads of the connection, where
    /// it does not keep the next one waiting.
    ///
    /// # Errors
    ///
    /// No error ends the accept loop. One that tells of a single connection is
    /// passed over; after any other it waits, 100 ms at first and 1 s at most.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, Peer)>> + Send;

    /// Returns the address that it listens on, if it has one.
    fn local_addr(&self) -> Option<SocketAddr> {
        None
    }
}

// ===== impl TcpListener =====

impl Listener for TcpListener {
    type Io = TcpStream;

    /// Sets `TCP_NODELAY`: a reply is written whole, so waiting for more to
    /// send along (Nagle's algorithm) only adds the peer's delayed ACK to it.
    async fn accept(&mut self) -> io::Result<(Self::Io, Peer)> {
        let (stream, peer) = Self::accept(self).await?;
        // It fails when the peer has left already, which the first read tells.
        let _ = stream.set_nodelay(true);
        Ok((stream, Peer::Ip(peer)))
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        Self::local_addr(self).ok()
    }
}

// ===== impl UnixListener =====

#[cfg(unix)]
impl Listener for tokio::net::UnixListener {
    type Io = tokio::net::UnixStream;

    async fn accept(&mut self) -> io::Result<(Self::Io, Peer)> {
        let (stream, _) = Self::accept(self).await?;
        Ok((stream, Peer::Unix))
    }
}

/// Says whether `error` tells of one connection only, so that the next may be
/// accepted at once.
///
/// Linux reports what went wrong on a new connection's network by `accept` too
/// (accept(2), "Error handling").
pub(crate) fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::Interrupted
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::TimedOut
    )
}
