use std::{
    error, fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    num::NonZeroU16,
    str::FromStr,
    sync::Arc,
};

/// Where an instance is reached: a host and a port.
///
/// It is made of what can be dialled only: the port is not 0, the host is
/// neither empty nor "all interfaces". It prints as a URL takes it, IPv6 in
/// brackets.
///
/// ```
/// use kit_sd::Address;
///
/// let address: Address = "[2001:db8::1]:9110".parse()?;
/// assert_eq!(address.to_string(), "[2001:db8::1]:9110");
/// assert_eq!(Address::new("2001:db8::1", 9110)?, address);
/// assert!(Address::new("0.0.0.0", 9110).is_err());
/// # Ok::<(), kit_sd::InvalidAddress>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    host: Host,
    port: NonZeroU16,
}

/// The host of an [`Address`]. It prints without brackets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Host {
    /// An IP address.
    Ip(IpAddr),
    /// A DNS name, without a dot at its end.
    Name(Arc<str>),
}

/// The address cannot be dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidAddress {
    /// It is not of the form `host:port`.
    NoPort,
    /// The port is 0 or not a number up to 65535.
    Port,
    /// The host is neither an IP address nor a DNS name.
    Host,
    /// The host means "all interfaces".
    Unspecified,
}

// ===== impl Address =====

impl Address {
    /// Creates an address from a host, IPv6 with or without brackets, and a
    /// port.
    ///
    /// # Errors
    ///
    /// When nobody can dial it: see [`InvalidAddress`].
    pub fn new(host: &str, port: u16) -> Result<Self, InvalidAddress> {
        let port = NonZeroU16::new(port).ok_or(InvalidAddress::Port)?;
        Ok(Self { host: host.parse()?, port })
    }

    /// Returns the host.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// Returns the port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port.get()
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    /// Reads `host:port`.
    fn from_str(address: &str) -> Result<Self, InvalidAddress> {
        let (host, port) = address.rsplit_once(':').ok_or(InvalidAddress::NoPort)?;
        // Of a bare IPv6 address nobody knows where its port begins.
        if host.contains(':') && !host.starts_with('[') {
            return Err(InvalidAddress::NoPort);
        }
        // `u16` would take a sign too.
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidAddress::Port);
        }
        Self::new(host, port.parse().map_err(|_| InvalidAddress::Port)?)
    }
}

impl TryFrom<SocketAddr> for Address {
    type Error = InvalidAddress;

    fn try_from(address: SocketAddr) -> Result<Self, InvalidAddress> {
        let port = NonZeroU16::new(address.port()).ok_or(InvalidAddress::Port)?;
        Ok(Self { host: Host::ip(address.ip())?, port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]:{}", self.port),
            host => write!(f, "{host}:{}", self.port),
        }
    }
}

// ===== impl Host =====

impl Host {
    const fn ip(ip: IpAddr) -> Result<Self, InvalidAddress> {
        // `::ffff:0.0.0.0` is IPv4's in the clothes of IPv6.
        let everywhere = ip.to_canonical().is_unspecified();
        if everywhere { Err(InvalidAddress::Unspecified) } else { Ok(Self::Ip(ip)) }
    }
}

impl FromStr for Host {
    type Err = InvalidAddress;

    fn from_str(host: &str) -> Result<Self, InvalidAddress> {
        if let Some(ip) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            return Self::ip(ip.parse::<Ipv6Addr>().map_err(|_| InvalidAddress::Host)?.into());
        }
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Self::ip(ip);
        }
        let name = host.strip_suffix('.').unwrap_or(host);
        if is_name(name) { Ok(Self::Name(name.into())) } else { Err(InvalidAddress::Host) }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => fmt::Display::fmt(ip, f),
            Self::Name(name) => f.pad(name),
        }
    }
}

/// Says whether this can be a DNS name: RFC 1123, and the underscore that
/// container networks use. One that ends in a number is a mistyped IPv4, or one
/// that resolvers take for IPv4: to some `0x0` is all interfaces.
fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let number = |label: &str| {
        let hex = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
        label.bytes().all(|byte| byte.is_ascii_digit())
            || hex.is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    name.len() <= 253 && name.split('.').all(label) && !name.rsplit('.').next().is_some_and(number)
}

// ===== impl InvalidAddress =====

impl fmt::Display for InvalidAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoPort => "the address has no port: write host:port, IPv6 as [host]:port",
            Self::Port => "the port must be a number from 1 to 65535",
            Self::Host => "the host is neither an IP address nor a DNS name",
            Self::Unspecified => "the address means all interfaces: name one that others can reach",
        })
    }
}

impl error::Error for InvalidAddress {}
