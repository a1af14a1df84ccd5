//! Where the greeter listens, and how it is reached.
//!
//! What is decided here is apart from what asks the system: each function that
//! does takes the question as a function.

use crate::{
    auth::Gate,
    flags::{At, Listen, Place, Serve},
    log::Filter,
    registry::Registry,
};
use kit_serve::{
    Inherited, Listener, Sockets,
    tls::{Certificates, Tls},
};
use kit_trace::otel::Tracing;
use kit_transport::Report;
use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};
use tokio::{
    net::{TcpListener, UdpSocket, lookup_host},
    time::timeout,
};

/// How long the name of the registry may take to resolve.
const RESOLVE: Duration = Duration::from_secs(2);
/// An address that is nobody's (RFC 5737): the way there is the way out.
const OUTSIDE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9);

/// The bound ports.
#[derive(Debug)]
pub struct Ports<L = Inherited<TcpListener>, D = L> {
    /// HTTP's.
    pub http: L,
    /// gRPC's.
    pub grpc: L,
    /// The debug port.
    pub debug: D,
    /// Where they listen.
    pub addresses: Addresses,
    /// What HTTP and gRPC show, if they speak TLS.
    pub certificates: Option<Certificates>,
    /// Who comes in there.
    pub gate: Gate,
    /// What records spans, if they are sent.
    pub traces: Option<Tracing>,
    /// What is logged, if that may be changed.
    pub log: Option<Filter>,
}

/// Where the ports listen; prints a line for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// HTTP's.
    pub http: SocketAddr,
    /// gRPC's.
    pub grpc: SocketAddr,
    /// The debug port's.
    pub debug: SocketAddr,
    /// Whether HTTP and gRPC speak TLS.
    pub tls: bool,
}

/// The ports that cannot be had, all of them.
#[derive(Debug)]
pub struct NotBound(Vec<Taken>);

/// A port that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {listen} ({flag}): {hint}", flag = listen.flag)]
struct Taken {
    listen: Listen,
    hint: &'static str,
    source: io::Error,
}

// ===== impl Ports =====

impl Ports {
    /// Binds the three ports.
    ///
    /// # Errors
    ///
    /// Fails if one cannot be had, and names the flag of each that cannot.
    pub async fn bind(flags: &Serve, passed: &mut Sockets) -> Result<Self, NotBound> {
        let tcp = async |host: &str, port: u16| {
            let listener = TcpListener::bind((host, port)).await?;
            Ok((listener.local_addr()?, Inherited::bound(listener)))
        };
        let take = |socket| {
            let listener = passed.tcp(socket)?;
            let address = listener.local_addr().ok_or(io::ErrorKind::AddrNotAvailable)?;
            Ok((address, listener))
        };
        Self::bind_by(flags, tcp, take).await
    }
}

impl<L> Ports<L> {
    /// Binds the three ports by `bind`, which gets a host and a port, and
    /// returns what listens there and where that is, or has them of `take`,
    /// which gets the number of a socket that was passed.
    ///
    /// # Errors
    ///
    /// Fails if one cannot be had, and names the flag of each that cannot.
    pub async fn bind_by<F, P>(flags: &Serve, bind: F, mut take: P) -> Result<Self, NotBound>
    where
        F: AsyncFn(&str, u16) -> io::Result<(SocketAddr, L)>,
        P: FnMut(usize) -> io::Result<(SocketAddr, L)>,
    {
        let http = bound(&flags.http, &bind, &mut take).await;
        let grpc = bound(&flags.grpc, &bind, &mut take).await;
        let debug = bound(&flags.debug, &bind, &mut take).await;
        match (http, grpc, debug) {
            (Ok((http_addr, http)), Ok((grpc_addr, grpc)), Ok((debug_addr, debug))) => {
                let addresses =
                    Addresses { http: http_addr, grpc: grpc_addr, debug: debug_addr, tls: false };
                let (certificates, gate, traces) = (None, Gate::default(), None);
                let log = None;
                Ok(Self { http, grpc, debug, addresses, certificates, gate, traces, log })
            }
            (http, grpc, debug) => {
                let taken = [http.err(), grpc.err(), debug.err()];
                Err(NotBound(taken.into_iter().flatten().collect()))
            }
        }
    }
}

async fn bound<L, F, P>(listen: &Listen, bind: &F, take: &mut P) -> Result<(SocketAddr, L), Taken>
where
    F: AsyncFn(&str, u16) -> io::Result<(SocketAddr, L)>,
    P: FnMut(usize) -> io::Result<(SocketAddr, L)>,
{
    let bound = match &listen.at {
        At::Passed(socket) => take(*socket),
        At::Port { host: Some(host), port } => bind(host, *port).await,
        // All interfaces: of both versions, or of IPv4 where there is no IPv6.
        At::Port { host: None, port } => match bind("::", *port).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
            Err(_) => bind("0.0.0.0", *port).await,
            bound => bound,
        },
    };
    bound.map_err(|source| {
        let hint = match source.kind() {
            _ if matches!(listen.at, At::Passed(_)) => "see ListenStream= in systemd's unit",
            io::ErrorKind::AddrInUse => "the port is in use, choose another or 0",
            io::ErrorKind::PermissionDenied => "ports below 1024 are for root",
            _ => "give the name or the address of this machine",
        };
        Taken { listen: listen.clone(), hint, source }
    })
}

impl<L, D> Ports<L, D> {
    /// Lets HTTP and gRPC speak TLS.
    pub fn tls(self, certificates: Certificates) -> Ports<Tls<L>, D> {
        let tls = |listener| Tls::new(listener, certificates.clone());
        let Self { http, grpc, debug, addresses, gate, traces, log, .. } = self;
        Ports {
            http: tls(http),
            grpc: tls(grpc),
            debug,
            addresses: Addresses { tls: true, ..addresses },
            certificates: Some(certificates),
            gate,
            traces,
            log,
        }
    }
}

// ===== reached =====

/// Returns what the flags say of this greeter to a registry at `place`, under
/// the host that they say or else the one [`reached_from`] there.
pub async fn registry(flags: &Serve, place: &Place) -> Registry<()> {
    let host = match (&flags.advertise, place) {
        (Some(host), _) => host.clone(),
        (None, Place::Consul(agent)) => reached_from(agent).await.to_string(),
        #[cfg(feature = "etcd")]
        (None, Place::Etcd(members)) => {
            reached_from(members.first().map_or("", String::as_str)).await.to_string()
        }
    };
    let Serve { service, tags, metadata, tls, .. } = flags.clone();
    Registry { at: (), service, host, tags, metadata, tls: tls.is_some() }
}

/// Returns the address by which this machine reaches a registry, and is reached
/// from there. Nothing is sent to it.
///
/// A registry that is not there yet stops nothing: while its name is not
/// known in 2 s, the address is that of the way out of this machine, or
/// loopback if there is none.
pub async fn reached_from(registry: &str) -> IpAddr {
    reached_by(async || lookup_host(registry).await, way_to).await
}

/// As [`reached_from`], but `resolve` is what knows the addresses of the
/// registry, and `way_to` the address from which there is a way to another.
pub async fn reached_by<R, A, W>(resolve: R, way_to: W) -> IpAddr
where
    R: AsyncFn() -> io::Result<A>,
    A: Iterator<Item = SocketAddr>,
    W: AsyncFn(SocketAddr) -> io::Result<IpAddr>,
{
    let known = timeout(RESOLVE, resolve()).await;
    let known = known.ok().and_then(Result::ok).into_iter().flatten();
    for peer in known.chain([OUTSIDE]) {
        if let Ok(address) = way_to(peer).await {
            return address;
        }
    }
    Ipv4Addr::LOCALHOST.into()
}

async fn way_to(peer: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = match peer {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(peer).await?;
    Ok(socket.local_addr()?.ip())
}

// ===== impl Addresses =====

impl Addresses {
    /// Returns the ports of HTTP and gRPC.
    #[must_use]
    pub const fn numbers(&self) -> [u16; 2] {
        [self.http.port(), self.grpc.port()]
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = if self.tls { "s" } else { "" };
        writeln!(f, "HTTP listens on http{s}://{}", self.http)?;
        writeln!(f, "gRPC listens on grpc{s}://{}", self.grpc)?;
        writeln!(f, "debug listens on http://{}", self.debug)
    }
}

// ===== impl NotBound =====

/// On one line, each with its causes: there is no one source of them all.
impl fmt::Display for NotBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, taken) in self.0.iter().enumerate() {
            let between = if at == 0 { "" } else { "; " };
            write!(f, "{between}{}", Report(taken))?;
        }
        Ok(())
    }
}

impl std::error::Error for NotBound {}
