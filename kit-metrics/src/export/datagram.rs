//! Datagrams, over UDP or to a unix socket.

use std::{
    fmt, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};
use tokio::net::{UdpSocket, lookup_host};

/// What fits a packet of Ethernet with room for tunnels' headers: what statsd
/// advises for what crosses the internet is less, and what stays in a network
/// more.
pub(super) const UDP: usize = 1432;

/// What Datadog's clients write to a unix socket at once.
#[cfg(feature = "dogstatsd")]
pub(super) const UNIX: usize = 8192;

/// Where datagrams go.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// `host:port`, looked up for each export.
    Udp(String),
    /// A socket of the file system.
    #[cfg(all(unix, feature = "dogstatsd"))]
    Unix(std::path::PathBuf),
}

/// It is opened for each export: so a server that moved is found, and no error
/// of an old datagram is taken for one of a new.
#[derive(Debug)]
pub(super) enum Socket {
    Udp {
        socket: UdpSocket,
        /// The kernel then says at once that nobody listens.
        is_local: bool,
    },
    #[cfg(all(unix, feature = "dogstatsd"))]
    Unix(tokio::net::UnixDatagram),
}

// ===== impl Place =====

impl Place {
    pub(super) async fn open(&self) -> io::Result<Socket> {
        match self {
            Self::Udp(address) => {
                let mut last = io::ErrorKind::NotFound.into();
                for to in lookup_host(address).await? {
                    match connect(to).await {
                        Ok(socket) => {
                            return Ok(Socket::Udp { socket, is_local: to.ip().is_loopback() });
                        }
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
            #[cfg(all(unix, feature = "dogstatsd"))]
            Self::Unix(path) => {
                let socket = tokio::net::UnixDatagram::unbound()?;
                socket.connect(path)?;
                Ok(Socket::Unix(socket))
            }
        }
    }
}

async fn connect(to: SocketAddr) -> io::Result<UdpSocket> {
    let from: SocketAddr = match to {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(from).await?;
    socket.connect(to).await?;
    Ok(socket)
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(address) => f.write_str(address),
            #[cfg(all(unix, feature = "dogstatsd"))]
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

// ===== impl Socket =====

impl Socket {
    /// Sends a datagram. There is no await after it is sent: it was, or was
    /// not, when this is dropped.
    pub(super) async fn send(&self, datagram: &[u8]) -> io::Result<()> {
        match self {
            Self::Udp { socket, is_local } => {
                socket.send(datagram).await?;
                // Of this very datagram. From afar it comes too late to say of
                // which, and what may have been counted is not sent again.
                match socket.take_error()? {
                    Some(error) if *is_local => Err(error),
                    _ => Ok(()),
                }
            }
            #[cfg(all(unix, feature = "dogstatsd"))]
            Self::Unix(socket) => socket.send(datagram).await.map(drop),
        }
    }
}
