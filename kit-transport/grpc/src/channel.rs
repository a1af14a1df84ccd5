use http::{Uri, uri::Scheme};
use std::{error::Error, fmt, time::Duration};
use tonic::transport::{Channel, Endpoint};

/// How long a [`channel`] tries to connect: 5 s. tonic's own has no limit but
/// the operating system's, which may be minutes.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The address is not one that gRPC can be spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadAddress {
    address: String,
}

/// Returns a channel to `address`, `grpc://HOST:PORT` or `http://HOST:PORT`,
/// that connects when it is first used, and again whenever it has to.
///
/// Connecting takes at most [`CONNECT_TIMEOUT`]; for other settings, or TLS,
/// build a [`tonic::transport::Channel`] yourself.
///
/// # Errors
///
/// Fails if `address` is not of that form.
///
/// # Panics
///
/// Outside of a tokio runtime, which runs the connection.
pub fn channel(address: &str) -> Result<Channel, BadAddress> {
    let bad = || BadAddress { address: address.to_owned() };
    let mut parts = address.parse::<Uri>().map_err(|_| bad())?.into_parts();
    match parts.scheme.as_ref().map(Scheme::as_str) {
        Some("grpc" | "http") => parts.scheme = Some(Scheme::HTTP),
        _ => return Err(bad()),
    }
    let uri = Uri::from_parts(parts).map_err(|_| bad())?;
    if uri.path() != "/" || uri.query().is_some() {
        return Err(bad());
    }
    Ok(Endpoint::from(uri).connect_timeout(CONNECT_TIMEOUT).connect_lazy())
}

// ===== impl BadAddress =====

impl fmt::Display for BadAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not an address: write grpc://HOST:PORT", self.address)
    }
}

impl Error for BadAddress {}
