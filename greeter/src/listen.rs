//! Where the greeter listens, and how it is reached.

use crate::{
    flags::{Listen, Serve},
    log,
};
use kit_metrics::Prometheus;
use kit_serve::Server;
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
pub struct Ports {
    /// HTTP's.
    pub http: TcpListener,
    /// gRPC's.
    pub grpc: TcpListener,
    /// The debug port.
    pub debug: TcpListener,
    /// Where they listen.
    pub addresses: Addresses,
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
}

/// A port that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {listen} ({flag}): {hint}", flag = listen.flag)]
pub struct NotBound {
    listen: Listen,
    hint: &'static str,
    source: io::Error,
}

impl Ports {
    /// Binds the three ports.
    ///
    /// # Errors
    ///
    /// Fails, naming the flag, if one cannot be had.
    pub async fn bind(flags: &Serve) -> Result<Self, NotBound> {
        let (http, http_addr) = bind(&flags.http).await?;
        let (grpc, grpc_addr) = bind(&flags.grpc).await?;
        let (debug, debug_addr) = bind(&flags.debug).await?;
        let addresses = Addresses { http: http_addr, grpc: grpc_addr, debug: debug_addr };
        Ok(Self { http, grpc, debug, addresses })
    }
}

async fn bind(listen: &Listen) -> Result<(TcpListener, SocketAddr), NotBound> {
    let bound = match &listen.host {
        Some(host) => TcpListener::bind((&**host, listen.port)).await,
        // All interfaces: of both versions, or of IPv4 where there is no IPv6.
        None => match TcpListener::bind((Ipv6Addr::UNSPECIFIED, listen.port)).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
            Err(_) => TcpListener::bind((Ipv4Addr::UNSPECIFIED, listen.port)).await,
            bound => bound,
        },
    };
    bound.and_then(|listener| Ok((listener.local_addr()?, listener))).map_or_else(
        |source| {
            let hint = match source.kind() {
                io::ErrorKind::AddrInUse => "the port is in use, choose another or 0",
                io::ErrorKind::PermissionDenied => "ports below 1024 are for root",
                _ => "give the name or the address of this machine",
            };
            Err(NotBound { listen: listen.clone(), hint, source })
        },
        |(address, listener)| Ok((listener, address)),
    )
}

/// Names `server`, measures it, and has its incidents logged.
pub fn watched<L, S>(
    name: &'static str,
    server: Server<L, S>,
    metrics: &Prometheus,
) -> Server<L, S> {
    metrics.collect(server.handle());
    server.name(name).on_incident(move |incident| log::incident(name, &incident))
}

/// Returns the address by which this machine reaches `consul`, and is reached
/// from there. Nothing is sent to it.
///
/// A registry that is not there yet stops nothing: while its name is not
/// known, the address is that of the way out of this machine, or loopback if
/// there is none.
pub async fn reached_from(consul: &str) -> IpAddr {
    let known = timeout(RESOLVE, lookup_host(consul)).await;
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

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "HTTP listens on http://{}", self.http)?;
        writeln!(f, "gRPC listens on grpc://{}", self.grpc)?;
        writeln!(f, "debug listens on http://{}", self.debug)
    }
}
