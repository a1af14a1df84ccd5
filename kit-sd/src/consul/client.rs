use super::{
    Error, Pulse,
    wire::{Healthy, Registration},
};
use crate::{Health, Instance};
use serde::{Deserialize, Serialize, Serializer};
use std::{collections::BTreeMap, time::Duration};

/// The few calls to Consul that the registrar and the instancer make.
///
/// [`Agent`](super::Agent) implements it. An adapter from another client
/// checks its input, turns every failure into an [`Error`], and keeps no
/// policy: time-outs, pauses and indexes are its callers' affair.
pub trait Client: Send + Sync + 'static {
    /// Registers a service with its check, in place of one with the same id.
    fn register(&self, service: &Service) -> impl Future<Output = Result<(), Error>> + Send;

    /// Deregisters a service. One that is not registered is no error.
    fn deregister(&self, id: &str) -> impl Future<Output = Result<(), Error>> + Send;

    /// Returns the hash of a service as the agent has it, `None` if it has
    /// none of this id. With a `hash` it waits for another, for a minute at
    /// most. An empty hash says that this client cannot wait.
    fn service(
        &self,
        id: &str,
        hash: &str,
    ) -> impl Future<Output = Result<Option<String>, Error>> + Send;

    /// Reports how a TTL check is; `false` says that there is none.
    fn report(
        &self,
        check: &str,
        health: Health,
    ) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Asks for the instances of a service, and waits for a change if the
    /// query has an index.
    fn health(&self, query: &Query) -> impl Future<Output = Result<Answer, Error>> + Send;

    /// Asks, as cheaply as can be, whether the agent answers and knows a
    /// leader.
    fn ping(&self) -> impl Future<Output = Result<(), Error>> + Send;

    /// Returns what finds out that the agent is silent while a query waits:
    /// one for all that share it, by default for each instancer its own.
    fn pulse(&self) -> Pulse {
        Pulse::default()
    }
}

/// What is registered: an instance and its check.
///
/// It is written as the agent takes it: serialized to JSON, it is the body of
/// `PUT /v1/agent/service/register`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Service {
    /// The instance.
    pub instance: Instance,
    /// How Consul finds out whether it lives; without one it always does.
    pub check: Option<Check>,
}

/// How Consul finds out whether an instance lives. It passes from the start,
/// so that a new instance, registered when it is ready, is found at once and
/// not only after its first check.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Check {
    /// The agent asks the instance over HTTP.
    Http(HttpCheck),
    /// The agent connects to the instance.
    Tcp(TcpCheck),
    /// The agent asks the instance over gRPC.
    Grpc(GrpcCheck),
    /// The instance tells the agent.
    Ttl(TtlCheck),
}

/// The agent gets a URL, which must answer 2xx.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpCheck {
    /// What it gets: a URL that the agent reaches.
    pub url: String,
    /// How often; 10 s unless set.
    pub interval: Duration,
    /// How long it waits; 1 s unless set.
    pub timeout: Duration,
    /// How long the check may fail before Consul forgets the instance; 1 min
    /// unless set, which is the least that Consul takes.
    pub deregister_after: Duration,
}

/// The agent connects to an address.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TcpCheck {
    /// Where it connects to, `host:port`.
    pub address: String,
    /// How often; 10 s unless set.
    pub interval: Duration,
    /// How long it waits; 1 s unless set.
    pub timeout: Duration,
    /// How long the check may fail before Consul forgets the instance; 1 min
    /// unless set, which is the least that Consul takes.
    pub deregister_after: Duration,
}

/// The agent asks gRPC's health service, which must answer SERVING.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GrpcCheck {
    /// Where it asks: `host:port`, or `host:port/service` for one service.
    pub address: String,
    /// Whether it asks over TLS; not unless set.
    pub tls: bool,
    /// How often; 10 s unless set.
    pub interval: Duration,
    /// How long it waits; 1 s unless set.
    pub timeout: Duration,
    /// How long the check may fail before Consul forgets the instance; 1 min
    /// unless set, which is the least that Consul takes.
    pub deregister_after: Duration,
}

/// The instance tells the agent that it lives, three times in the TTL.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TtlCheck {
    /// How long it is believed.
    pub ttl: Duration,
    /// How long the check may fail before Consul forgets the instance; 1 min
    /// unless set, which is the least that Consul takes.
    pub deregister_after: Duration,
}

/// A question for the instances of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Query {
    /// The service's name.
    pub service: String,
    /// The tags that an instance must have, all of them.
    pub tags: Vec<String>,
    /// Whether all checks of an instance must pass.
    pub passing: bool,
    /// The index that was answered last: the answer waits for another. 0 does
    /// not wait.
    pub index: u64,
    /// How long it waits at most; Consul adds up to a sixteenth.
    pub wait: Duration,
}

/// The answer to a [`Query`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The index of this answer, `X-Consul-Index`; 0 if there was none.
    pub index: u64,
    /// The instances, as Consul has them.
    pub entries: Vec<Entry>,
}

/// An instance as Consul has it.
///
/// It is read as Consul answers: of JSON, it is an element of the answer to
/// `GET /v1/health/service/..`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Healthy")]
#[non_exhaustive]
pub struct Entry {
    /// The address of its node.
    pub node: String,
    /// The id of the service.
    pub id: String,
    /// The address of the service; the node's if it is empty.
    pub address: String,
    /// The port of the service.
    pub port: u16,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its metadata.
    pub metadata: BTreeMap<String, String>,
    /// Its weight, as it is: another where a check warns.
    pub weight: u32,
    /// How it is: as the worst of its checks, the node's included.
    pub health: Health,
}

// ===== impl Query =====

impl Query {
    /// Asks for all instances of a service, at once.
    pub fn new(service: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            tags: Vec::new(),
            passing: false,
            index: 0,
            // Below the minute at which many proxies cut a silent connection.
            wait: Duration::from_secs(55),
        }
    }
}

// ===== impl Service =====

impl Serialize for Service {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Registration::from(self).serialize(serializer)
    }
}

// ===== impl Entry =====

impl Default for Entry {
    /// One that is passing, of weight 1, and has nothing else.
    fn default() -> Self {
        Self {
            node: String::new(),
            id: String::new(),
            address: String::new(),
            port: 0,
            tags: Vec::new(),
            metadata: BTreeMap::new(),
            weight: 1,
            health: Health::Passing,
        }
    }
}

// ===== impl Check =====

/// What Consul takes at least, and what is sensible.
const DEREGISTER_AFTER: Duration = Duration::from_mins(1);

impl Check {
    /// Returns the id of the check of a service: the one Consul gives it.
    #[must_use]
    pub fn id(service: &str) -> String {
        format!("service:{service}")
    }
}

impl From<HttpCheck> for Check {
    fn from(check: HttpCheck) -> Self {
        Self::Http(check)
    }
}

impl From<TcpCheck> for Check {
    fn from(check: TcpCheck) -> Self {
        Self::Tcp(check)
    }
}

impl From<GrpcCheck> for Check {
    fn from(check: GrpcCheck) -> Self {
        Self::Grpc(check)
    }
}

impl From<TtlCheck> for Check {
    fn from(check: TtlCheck) -> Self {
        Self::Ttl(check)
    }
}

// ===== impl HttpCheck =====

impl HttpCheck {
    /// Gets `url` every 10 s and waits 1 s for the answer.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(1),
            deregister_after: DEREGISTER_AFTER,
        }
    }

    /// Sets how often the URL is asked for.
    #[must_use]
    pub const fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sets how long the agent waits for the answer.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how long the check may fail before Consul forgets the instance.
    #[must_use]
    pub const fn deregister_after(mut self, after: Duration) -> Self {
        self.deregister_after = after;
        self
    }
}

// ===== impl TcpCheck =====

impl TcpCheck {
    /// Connects to `address` every 10 s and waits 1 s for that.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(1),
            deregister_after: DEREGISTER_AFTER,
        }
    }

    /// Sets how often the agent connects.
    #[must_use]
    pub const fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sets how long the agent waits.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how long the check may fail before Consul forgets the instance.
    #[must_use]
    pub const fn deregister_after(mut self, after: Duration) -> Self {
        self.deregister_after = after;
        self
    }
}

// ===== impl GrpcCheck =====

impl GrpcCheck {
    /// Asks at `address` every 10 s and waits 1 s for the answer.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            tls: false,
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(1),
            deregister_after: DEREGISTER_AFTER,
        }
    }

    /// Sets whether the agent asks over TLS.
    #[must_use]
    pub const fn tls(mut self, tls: bool) -> Self {
        self.tls = tls;
        self
    }

    /// Sets how often the agent asks.
    #[must_use]
    pub const fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Sets how long the agent waits.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how long the check may fail before Consul forgets the instance.
    #[must_use]
    pub const fn deregister_after(mut self, after: Duration) -> Self {
        self.deregister_after = after;
        self
    }
}

// ===== impl TtlCheck =====

impl TtlCheck {
    /// Lives for `ttl` after each heartbeat.
    #[must_use]
    pub const fn new(ttl: Duration) -> Self {
        Self { ttl, deregister_after: DEREGISTER_AFTER }
    }

    /// Sets how long the check may fail before Consul forgets the instance.
    #[must_use]
    pub const fn deregister_after(mut self, after: Duration) -> Self {
        self.deregister_after = after;
        self
    }
}
