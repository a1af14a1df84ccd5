use std::{fmt, net::SocketAddr};

/// Who is at the other end of the connection, among a request's extensions.
///
/// The accept loop puts it there. It is the address that the socket tells,
/// not what a header claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Peer {
    /// A peer over TCP.
    Ip(SocketAddr),
    /// A peer over a Unix socket, which has no name.
    Unix,
}

// ===== impl Peer =====

impl Peer {
    /// Returns the address, if the peer has one.
    #[must_use]
    pub const fn addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(addr) => Some(*addr),
            Self::Unix => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(addr) => addr.fmt(f),
            Self::Unix => f.write_str("unix"),
        }
    }
}

impl From<SocketAddr> for Peer {
    fn from(addr: SocketAddr) -> Self {
        Self::Ip(addr)
    }
}
