//! Sockets that were open before the process was.

use crate::{Greeted, Listener};
use kit_endpoint::Peer;
use std::{io, net::SocketAddr};

/// A listener whose socket goes on when this server stops: whoever passed it
/// has it too, as systemd does, or gives it to the next version of the program.
///
/// Its stop refuses nobody. The server accepts no more, and who comes meanwhile
/// waits in the backlog of the socket for whoever accepts from it next, be that
/// after the whole drain; a socket of the server's own must be emptied and closed
/// instead. If nobody else has it after all, who waits is reset.
///
/// Where a program may be passed a socket or bind its own, both are of this
/// type: [`bound`](Self::bound) is for the latter.
#[derive(Debug)]
pub struct Inherited<L> {
    listener: L,
    goes_on: bool,
}

// ===== impl Inherited =====

impl<L> Inherited<L> {
    /// Takes a listener whose socket somebody else keeps.
    pub const fn new(listener: L) -> Self {
        Self { listener, goes_on: true }
    }

    /// Takes a listener that is the server's own after all, and stops as such.
    pub const fn bound(listener: L) -> Self {
        Self { listener, goes_on: false }
    }

    /// Returns the listener.
    pub fn into_inner(self) -> L {
        self.listener
    }
}

impl<L: Listener> Listener for Inherited<L> {
    type Io = L::Io;

    const PLAIN: bool = L::PLAIN;

    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, Peer)>> + Send {
        self.listener.accept()
    }

    fn greeted(io: &Self::Io) -> Option<Greeted> {
        L::greeted(io)
    }

    fn reset(io: &Self::Io) {
        L::reset(io);
    }

    fn stop(&mut self) -> bool {
        !self.goes_on && self.listener.stop()
    }

    fn release(&mut self) {
        self.listener.release();
    }

    fn local_addr(&self) -> Option<SocketAddr> {
        self.listener.local_addr()
    }
}

#[cfg(all(feature = "listenfd", unix))]
pub use self::activation::Sockets;

#[cfg(all(feature = "listenfd", unix))]
mod activation {
    use super::Inherited;
    use listenfd::ListenFd;
    use std::{fmt, io, os::fd::AsFd};
    use tokio::net::{TcpListener, UnixListener};

    /// The sockets that were passed to this process: systemd's socket
    /// activation (`sd_listen_fds(3)`), in the order of its unit.
    ///
    /// ```no_run
    /// # async fn serve(app: axum::Router) -> Result<(), Box<dyn std::error::Error>> {
    /// let listener = kit_serve::Sockets::from_env().tcp(0)?;
    /// kit_serve::serve(listener, app).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub struct Sockets {
        passed: ListenFd,
        /// The places of those that were taken.
        taken: Vec<usize>,
    }

    // ===== impl Sockets =====

    impl Sockets {
        /// Takes what `LISTEN_FDS` says was passed, if `LISTEN_PID` is this
        /// process or is not set.
        ///
        /// Both variables are removed, so that no child takes them for its own:
        /// call it at the begin of `main`, before there are threads that read
        /// the environment.
        #[must_use]
        pub fn from_env() -> Self {
            Self { passed: ListenFd::from_env(), taken: Vec::new() }
        }

        /// Returns how many were passed, the taken ones among them.
        #[must_use]
        pub fn count(&self) -> usize {
            self.passed.len()
        }

        /// Returns the places of those that were not taken: nobody accepts who
        /// comes to them, as a program should say at its start.
        #[must_use]
        pub fn left(&self) -> Vec<usize> {
            (0..self.count()).filter(|at| !self.taken.contains(at)).collect()
        }

        /// Takes the TCP socket at this place, from 0 on.
        ///
        /// # Errors
        ///
        /// When there is none, it is taken, is not TCP, or does not listen.
        ///
        /// # Panics
        ///
        /// Outside a tokio runtime with I/O.
        pub fn tcp(&mut self, at: usize) -> io::Result<Inherited<TcpListener>> {
            let taken = self.passed.take_tcp_listener(at)?;
            let socket = taken.ok_or_else(|| self.missing(at))?;
            listens(at, &socket)?;
            self.taken.push(at);
            socket.set_nonblocking(true)?;
            TcpListener::from_std(socket).map(Inherited::new)
        }

        /// Takes the Unix socket at this place, from 0 on.
        ///
        /// # Errors
        ///
        /// As [`tcp`](Self::tcp).
        ///
        /// # Panics
        ///
        /// Outside a tokio runtime with I/O.
        pub fn unix(&mut self, at: usize) -> io::Result<Inherited<UnixListener>> {
            let taken = self.passed.take_unix_listener(at)?;
            let socket = taken.ok_or_else(|| self.missing(at))?;
            listens(at, &socket)?;
            self.taken.push(at);
            socket.set_nonblocking(true)?;
            UnixListener::from_std(socket).map(Inherited::new)
        }

        fn missing(&self, at: usize) -> io::Error {
            let count = self.count();
            let why = match count {
                _ if at < count => format!("socket {at} is taken already"),
                0 => format!("there is no socket {at}: none was passed by LISTEN_FDS"),
                _ => format!("there is no socket {at}: LISTEN_FDS passed {count}, from 0 on"),
            };
            io::Error::new(io::ErrorKind::NotFound, why)
        }
    }

    /// Fails if it is a connection, in place of the socket that accepts it.
    fn listens(at: usize, socket: &impl AsFd) -> io::Result<()> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if !socket2::SockRef::from(socket).is_listener()? {
            let why = format!("socket {at} does not listen: systemd's unit needs Accept=no");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        _ = (at, socket);
        Ok(())
    }

    impl fmt::Debug for Sockets {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Sockets").field("count", &self.count()).finish()
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_socket_that_was_not_passed_is_named() {
            let mut none = Sockets { passed: ListenFd::empty(), taken: Vec::new() };
            assert_eq!(none.left(), []);
            let error = none.tcp(0).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
            let said = error.to_string();
            assert_eq!(said, "there is no socket 0: none was passed by LISTEN_FDS");
        }

        #[test]
        #[cfg(any(target_os = "linux", target_os = "android"))]
        fn a_connection_is_no_listener() {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listens(0, &listener).unwrap();
            let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let said = listens(1, &stream).unwrap_err().to_string();
            assert_eq!(said, "socket 1 does not listen: systemd's unit needs Accept=no");
        }
    }
}
