use super::{Answer, Error, Family, Lookup, Record, question::sooner};
use hickory_resolver::{
    NameServerPool, PoolContext, TlsConfig,
    config::{ConnectionConfig, NameServerConfig, ProtocolConfig, ResolverOpts},
    net::{
        DnsError, NetError, NoRecords,
        runtime::TokioRuntimeProvider,
        xfer::{DnsHandle, FirstAnswer as _},
    },
    proto::{
        op::{DnsRequestOptions, Message, Query, ResponseCode},
        rr::{Name, RData, RecordType},
    },
    system_conf::read_system_conf,
};
use std::{
    fmt, iter,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::task::spawn_blocking;

/// Asks name servers, by [hickory](https://docs.rs/hickory-resolver).
///
/// The name servers are asked one after the other, the one first that answered
/// last: each has 2 s, or less if resolv.conf(5) says so, and all have two
/// rounds. Whoever does not answer, or answers SERVFAIL or REFUSED, is passed
/// over; that a name does not exist is believed of the first that says so. An
/// answer that is cut short over UDP is asked for over TCP. Nothing is cached
/// here, DNSSEC is not checked, and neither `/etc/hosts` nor a search list is
/// used. Aliases (CNAME) are followed, up to eight.
///
/// Clones share their connections. These are tasks of the resolver's, and end
/// with its last clone.
#[derive(Clone)]
pub struct Resolver {
    servers: Option<Arc<[SocketAddr]>>,
    tcp: bool,
    asked: Arc<Mutex<Option<Arc<Servers>>>>,
}

/// Those that are asked.
struct Servers {
    all: Vec<NameServerPool<TokioRuntimeProvider>>,
    /// The one that answered last.
    first: AtomicUsize,
    rounds: usize,
    options: DnsRequestOptions,
}

/// What one message says of a name.
struct Said {
    message: Option<Message>,
    ttl: Option<Duration>,
}

/// How long one name server has.
const PATIENCE: Duration = Duration::from_secs(2);
const ROUNDS: usize = 2;
/// As in BIND and unbound there is an end of it.
const ALIASES: usize = 8;

// ===== impl Resolver =====

impl Resolver {
    /// Asks the name servers that the system names: `/etc/resolv.conf` on Unix.
    ///
    /// That is read when the first question is asked, and again after one that
    /// failed: the machine may have moved.
    #[must_use]
    pub fn system() -> Self {
        Self { servers: None, tcp: false, asked: Arc::default() }
    }

    /// Asks these name servers, in this order.
    pub fn new(servers: impl IntoIterator<Item = SocketAddr>) -> Self {
        let servers = Some(servers.into_iter().collect());
        Self { servers, tcp: false, asked: Arc::default() }
    }

    /// Asks over TCP alone, for name servers whose answers over UDP are cut
    /// short without a word: Consul's have as many records as fit, about a
    /// dozen, unless its `enable_truncate` is set.
    ///
    /// Call it before the resolver is cloned or used.
    #[must_use]
    pub fn tcp(mut self) -> Self {
        self.tcp = true;
        self.asked = Arc::default();
        self
    }

    async fn servers(&self) -> Result<Arc<Servers>, Error> {
        let known = self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(servers) = known {
            return Ok(servers);
        }
        let (servers, mut options) = match &self.servers {
            Some(servers) => {
                (servers.iter().copied().map(name_server).collect(), ResolverOpts::default())
            }
            None => spawn_blocking(read_system_conf)
                .await
                .map_err(|error| Error::Configuration(error.into()))?
                .map(|(config, options)| (config.name_servers, options))
                .map_err(|error| Error::Configuration(error.into()))?,
        };
        options.timeout = options.timeout.min(PATIENCE);
        let servers = Arc::new(Servers::new(servers, options, self.tcp)?);
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&servers));
        Ok(servers)
    }

    /// Asks the servers until one knows.
    async fn ask(&self, name: &Name, kind: RecordType) -> Result<Said, Error> {
        let servers = self.servers().await?;
        let first = servers.first.load(Ordering::Relaxed);
        let count = servers.all.len();
        let mut failure = Error::NoServers;
        for turn in 0..count * servers.rounds {
            let server = (first + turn) % count;
            let query = Query::query(name.clone(), kind);
            let Some(pool) = servers.all.get(server) else { break };
            match Said::read(pool.lookup(query, servers.options).first_answer().await) {
                Ok(said) => {
                    servers.first.store(server, Ordering::Relaxed);
                    return Ok(said);
                }
                Err(error) => failure = error,
            }
        }
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Err(failure)
    }

    /// Asks for records, also behind aliases that the server does not follow.
    async fn records<T>(
        &self,
        name: &str,
        kind: RecordType,
        read: impl Fn(&RData, &Message) -> Option<T>,
    ) -> Result<Answer<T>, Error> {
        let mut name = whole(name)?;
        let mut shortest = None;
        let mut aliases = 0;
        loop {
            let Said { message, ttl } = self.ask(&name, kind).await?;
            let Some(message) = message else {
                return Ok(Answer::new([], sooner(shortest, ttl)));
            };
            let before = aliases;
            while let Some((alias, ttl)) = alias(&message, &name) {
                aliases += 1;
                if aliases > ALIASES {
                    return Err(Error::Aliases(ALIASES));
                }
                shortest = sooner(shortest, Some(ttl));
                name = alias;
            }
            let mut found = Vec::new();
            for record in &message.answers {
                if record.name == name
                    && let Some(read) = read(&record.data, &message)
                {
                    shortest = sooner(shortest, Some(seconds(record.ttl)));
                    found.push(read);
                }
            }
            let is_final =
                ttl.is_some() || message.metadata.response_code == ResponseCode::NXDomain;
            // Only behind an alias that is new there is something to ask for.
            if !found.is_empty() || is_final || aliases == before {
                let ttl = if found.is_empty() { sooner(shortest, ttl) } else { shortest };
                return Ok(Answer::new(found, ttl));
            }
        }
    }
}

impl Lookup for Resolver {
    async fn srv(&self, name: &str) -> Result<Answer<Record>, Error> {
        let read = |data: &RData, message: &Message| match data {
            RData::SRV(srv) => {
                let record = Record::new(srv.priority, srv.weight, srv.port, srv.target.to_ascii());
                Some(match addresses(message, &srv.target) {
                    Some(beside) => record.addresses(beside),
                    None => record,
                })
            }
            _ => None,
        };
        self.records(name, RecordType::SRV, read).await
    }

    async fn addresses(&self, name: &str, family: Family) -> Result<Answer<IpAddr>, Error> {
        let mut all = Answer::new([], None);
        let kinds = [(Family::V4, RecordType::A), (Family::V6, RecordType::AAAA)];
        for (_, kind) in
            kinds.into_iter().filter(|(one, _)| family == Family::Any || family == *one)
        {
            let answer = self.records(name, kind, |data, _| data.ip_addr()).await?;
            // That there are none of one kind is no news to wait for.
            match (all.records.is_empty(), answer.records.is_empty()) {
                (false, true) => {}
                (true, false) => all = answer,
                (_, _) => {
                    all.ttl = sooner(all.ttl, answer.ttl);
                    all.records.extend(answer.records);
                }
            }
        }
        Ok(all)
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver")
            .field("servers", &self.servers)
            .field("tcp", &self.tcp)
            .finish_non_exhaustive()
    }
}

// ===== impl Servers =====

impl Servers {
    fn new(
        servers: Vec<NameServerConfig>,
        options: ResolverOpts,
        tcp: bool,
    ) -> Result<Self, Error> {
        let mut request = DnsRequestOptions::default();
        request.use_edns = options.edns0;
        request.edns_payload_len = options.edns_payload_len;
        request.recursion_desired = true;
        let rounds = options.attempts.clamp(1, ROUNDS);
        let tls = TlsConfig::new().map_err(|error| Error::Configuration(error.into()))?;
        let context = Arc::new(PoolContext::new(options, tls));
        // A pool for each, for one of all believes the SERVFAIL of any.
        let pool = |mut server: NameServerConfig| {
            if tcp {
                server.connections.retain(is_tcp);
            }
            NameServerPool::from_config(
                iter::once(server),
                Arc::clone(&context),
                TokioRuntimeProvider::default(),
            )
        };
        let all = servers.into_iter().map(pool).collect();
        Ok(Self { all, first: AtomicUsize::new(0), rounds, options: request })
    }
}

fn name_server(address: SocketAddr) -> NameServerConfig {
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    for connection in &mut server.connections {
        connection.port = address.port();
    }
    server
}

fn is_tcp(connection: &ConnectionConfig) -> bool {
    matches!(connection.protocol, ProtocolConfig::Tcp)
}

// ===== impl Said =====

impl Said {
    fn read<R: Into<Message>>(answer: Result<R, NetError>) -> Result<Self, Error> {
        match answer {
            Ok(response) => {
                let message = response.into();
                Ok(Self { ttl: negative_ttl(&message), message: Some(message) })
            }
            Err(NetError::Dns(DnsError::NoRecordsFound(NoRecords {
                soa: None,
                ns: Some(_),
                response_code: ResponseCode::NoError,
                ..
            }))) => Err(Error::Referred),
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
                Ok(Self { message: None, ttl: none.negative_ttl.map(seconds) })
            }
            Err(NetError::Dns(DnsError::ResponseCode(code))) => {
                // As it is called everywhere: SERVFAIL.
                Err(Error::Answered(format!("{code:?}").to_ascii_uppercase()))
            }
            Err(NetError::Timeout) => Err(Error::TimedOut(PATIENCE)),
            Err(NetError::Truncated) => Err(Error::Truncated),
            Err(error) => Err(Error::Broken(error.into())),
        }
    }
}

/// Reads a name as one that is whole.
fn whole(name: &str) -> Result<Name, Error> {
    let invalid = || Error::Name(name.to_owned());
    let mut whole = Name::from_ascii(name).map_err(|_| invalid())?;
    whole.set_fqdn(true);
    if whole.is_root() { Err(invalid()) } else { Ok(whole) }
}

/// Returns what a name is an alias of.
fn alias(message: &Message, name: &Name) -> Option<(Name, Duration)> {
    message.answers.iter().find_map(|record| match &record.data {
        RData::CNAME(alias) if record.name == *name => Some((alias.0.clone(), seconds(record.ttl))),
        _ => None,
    })
}

/// Returns the addresses of a host that are beside the answer.
fn addresses(message: &Message, host: &Name) -> Option<Answer<IpAddr>> {
    let mut found = Answer::new([], None);
    for record in message.additionals.iter().filter(|record| record.name == *host) {
        if let Some(ip) = record.data.ip_addr() {
            found.ttl = sooner(found.ttl, Some(seconds(record.ttl)));
            found.records.push(ip);
        }
    }
    (!found.records.is_empty()).then_some(found)
}

/// For how long it holds that there are no records (RFC 2308).
fn negative_ttl(message: &Message) -> Option<Duration> {
    message.authorities.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(seconds(record.ttl.min(soa.minimum))),
        _ => None,
    })
}

/// Reads a TTL; one with the highest bit set is 0 (RFC 2181, section 8).
fn seconds(ttl: u32) -> Duration {
    Duration::from_secs(i32::try_from(ttl).map_or(0, i32::unsigned_abs).into())
}
