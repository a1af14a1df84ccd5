use kit_endpoint::{Peer, TlsIdentity};
use std::{future::Future, io, net::SocketAddr};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
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

    /// A byte written to a connection is a byte to the peer: nothing is agreed
    /// on before, as by TLS. Only then is a connection too many told so.
    const PLAIN: bool = true;

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

    /// Says whether `io` has agreed on all that comes before HTTP, and with
    /// whom; it is asked until it has.
    ///
    /// By default there is nothing to agree on.
    fn greeted(io: &Self::Io) -> Option<Greeted> {
        let _ = io;
        Some(Greeted::default())
    }

    /// Makes the end of `io`, which comes now, a hard one: its peer does not take
    /// what is sent, and the system would hold that for a long time to come.
    ///
    /// By default it ends as any other. TCP's is a reset.
    fn reset(io: &Self::Io) {
        let _ = io;
    }

    /// Lets nobody new in, if it can, and says whether those who came already
    /// are still to be accepted. It is called once, when the server stops
    /// accepting; the listener is dropped as soon as nobody came for 50 ms.
    ///
    /// By default it is dropped at once.
    fn stop(&mut self) -> bool {
        false
    }

    /// Undoes what [`stop`](Self::stop) did, just before it is dropped: the
    /// socket may be another process's too, as one of systemd's is.
    fn release(&mut self) {}

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
    ///
    /// On Linux also `TCP_NOTSENT_LOWAT`, to 32 KiB: the kernel takes no more
    /// than that ahead of what it may send, in place of megabytes for each peer
    /// that reads slowly, and says so when half of it has left. What is on its
    /// way does not count.
    async fn accept(&mut self) -> io::Result<(Self::Io, Peer)> {
        let (stream, peer) = Self::accept(self).await?;
        // It fails when the peer has left already, which the first read tells.
        let _ = stream.set_nodelay(true);
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            // A kernel that does not know it holds more.
            let _ = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(NOT_SENT);
        }
        Ok((stream, Peer::Ip(peer)))
    }

    /// Lets the close send a reset, and throw away what was not sent.
    fn reset(io: &Self::Io) {
        // Where it fails the peer has left, which is as good.
        let _ = io.set_zero_linger();
    }

    /// On Linux the kernel drops the first packet of whoever comes now, who
    /// sends it again a second later and meets the next listener of the port;
    /// else who comes between the last accept and the close would be reset.
    fn stop(&mut self) -> bool {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            // Where it is not allowed, the gap is as small as it can be.
            _ = socket2::SockRef::from(&*self).attach_filter(&NO_SYN);
        }
        true
    }

    fn release(&mut self) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            // There is none where it was not allowed.
            _ = socket2::SockRef::from(&*self).detach_filter();
        }
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        Self::local_addr(self).ok()
    }
}

/// How much of a reply the kernel holds that it may not send yet, in bytes.
#[cfg(any(target_os = "linux", target_os = "android"))]
const NOT_SENT: u32 = 32 * 1024;

/// Drops a TCP segment with SYN and without ACK, which begins a connection; of
/// those that are begun, and inherit it, none has such a segment.
#[cfg(any(target_os = "linux", target_os = "android"))]
static NO_SYN: [socket2::SockFilter; 5] = [
    // The flags, in byte 13 of the header (RFC 9293, section 3.1).
    socket2::SockFilter::new(0x30, 0, 0, 13),
    socket2::SockFilter::new(0x54, 0, 0, 0x12),
    socket2::SockFilter::new(0x15, 0, 1, 0x02),
    socket2::SockFilter::new(0x06, 0, 0, 0),
    socket2::SockFilter::new(0x06, 0, 0, u32::MAX),
];

/// What is known of a peer once a connection has agreed on all that comes
/// before HTTP.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Greeted {
    /// Who it is, by its certificate; it is put among the extensions of each
    /// request.
    pub identity: Option<TlsIdentity>,
}

// ===== impl Greeted =====

impl Greeted {
    /// Knows who the peer is, by its certificate.
    #[must_use]
    pub const fn by(identity: Option<TlsIdentity>) -> Self {
        Self { identity }
    }
}

/// How a TCP socket listens.
///
/// ```
/// # async fn bind() -> std::io::Result<()> {
/// let listener = kit_serve::Bind::new().reuse_port(true).listen(([0, 0, 0, 0], 9110).into())?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bind {
    backlog: u32,
    reuse_port: bool,
}

// ===== impl Bind =====

impl Bind {
    /// As tokio's `TcpListener::bind`: a backlog of 1024, `SO_REUSEADDR` on
    /// Unix, so that a port can be bound again at once, and no `SO_REUSEPORT`.
    #[must_use]
    pub const fn new() -> Self {
        Self { backlog: 1024, reuse_port: false }
    }

    /// Lets so many connections wait to be accepted: 1024 by default. The
    /// system may have a lower bound of its own (`net.core.somaxconn`).
    #[must_use]
    pub const fn backlog(mut self, connections: u32) -> Self {
        self.backlog = connections;
        self
    }

    /// Shares the port with other sockets that do so too (`SO_REUSEPORT`), as
    /// those of the next version of a program: not by default, since it hides
    /// that a port is taken. Unix alone knows it.
    #[must_use]
    pub const fn reuse_port(mut self, shared: bool) -> Self {
        self.reuse_port = shared;
        self
    }

    /// Listens.
    ///
    /// # Errors
    ///
    /// When the address can't be had.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O.
    pub fn listen(self, address: SocketAddr) -> io::Result<TcpListener> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        #[cfg(unix)]
        {
            socket.set_reuseaddr(true)?;
            socket.set_reuseport(self.reuse_port)?;
        }
        socket.bind(address)?;
        socket.listen(self.backlog)
    }
}

impl Default for Bind {
    fn default() -> Self {
        Self::new()
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

    fn stop(&mut self) -> bool {
        true
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
