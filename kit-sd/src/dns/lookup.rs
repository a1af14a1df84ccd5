use super::Error;
use std::{net::IpAddr, time::Duration};

/// Asks DNS: the seam to a resolver. [`Resolver`](super::Resolver) is one.
///
/// Each call is one question with all its retries; dropping it gives it up, and
/// it is dropped when [`Timing::timeout`](super::Timing::timeout) is over.
pub trait Lookup: Send + Sync + 'static {
    /// Asks for the SRV records of a name.
    ///
    /// # Errors
    ///
    /// When nothing is known: no answer, or one that says so. A name that does
    /// not exist, or has no such records, is no error but an answer without
    /// records.
    fn srv(&self, name: &str) -> impl Future<Output = Result<Answer<Record>, Error>> + Send;

    /// Asks for the addresses of a name.
    ///
    /// # Errors
    ///
    /// As [`srv`](Self::srv). If both kinds are asked for, and one is not
    /// answered, that is an error: half of the set is none.
    fn addresses(
        &self,
        name: &str,
        family: Family,
    ) -> impl Future<Output = Result<Answer<IpAddr>, Error>> + Send;
}

/// What DNS says of a name: records, or that there are none.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer<T> {
    /// The records; none if the name does not exist, or has no such records.
    pub records: Vec<T>,
    /// For how long that is so: the smallest TTL, also of an answer without
    /// records (RFC 2308); `None` if nothing was said.
    pub ttl: Option<Duration>,
}

/// One SRV record (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// The lower, the more it is preferred.
    pub priority: u16,
    /// Its share among those of the same priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The name of the host, with or without the dot at its end; `.` says that
    /// there is no such service.
    pub target: String,
    /// The host's addresses, if the answer had them beside the record.
    pub addresses: Option<Answer<IpAddr>>,
}

/// Which addresses of a name are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Family {
    /// IPv4 and IPv6: both must be answered, if only by "there are none".
    #[default]
    Any,
    /// IPv4 alone: for name servers that do not answer for AAAA.
    V4,
    /// IPv6 alone.
    V6,
}

// ===== impl Answer =====

impl<T> Answer<T> {
    /// Creates an answer that holds for `ttl`.
    pub fn new(records: impl IntoIterator<Item = T>, ttl: impl Into<Option<Duration>>) -> Self {
        Self { records: records.into_iter().collect(), ttl: ttl.into() }
    }
}

impl Answer<IpAddr> {
    /// Drops the addresses of other families.
    pub(super) fn only(mut self, family: Family) -> Self {
        self.records.retain(|ip| family.has(ip));
        self
    }
}

// ===== impl Record =====

impl Record {
    /// Creates a record without addresses.
    pub fn new(priority: u16, weight: u16, port: u16, target: impl Into<String>) -> Self {
        Self { priority, weight, port, target: target.into(), addresses: None }
    }

    /// Adds the addresses of its host.
    #[must_use]
    pub fn addresses(mut self, addresses: Answer<IpAddr>) -> Self {
        self.addresses = Some(addresses);
        self
    }
}

// ===== impl Family =====

impl Family {
    pub(super) const fn has(self, ip: &IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => ip.is_ipv4(),
            Self::V6 => ip.is_ipv6(),
        }
    }
}
