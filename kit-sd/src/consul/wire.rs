//! What Consul reads and writes.

use super::{Check, Entry, Service};
use crate::Health;
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::BTreeMap, time::Duration};

/// The body of `PUT /v1/agent/service/register`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Registration<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    name: &'a str,
    address: String,
    port: u16,
    tags: &'a [String],
    meta: Cow<'a, BTreeMap<String, String>>,
    weights: Weights,
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<Checked<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Checked<'a> {
    #[serde(rename = "CheckID")]
    id: String,
    status: &'static str,
    deregister_critical_service_after: String,
    #[serde(flatten)]
    probe: Probe<'a>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Probe<'a> {
    #[serde(rename_all = "PascalCase")]
    Http {
        #[serde(rename = "HTTP")]
        url: &'a str,
        interval: String,
        timeout: String,
    },
    #[serde(rename_all = "PascalCase")]
    Tcp {
        #[serde(rename = "TCP")]
        address: &'a str,
        interval: String,
        timeout: String,
    },
    #[serde(rename_all = "PascalCase")]
    Grpc {
        #[serde(rename = "GRPC")]
        address: &'a str,
        #[serde(rename = "GRPCUseTLS")]
        tls: bool,
        interval: String,
        timeout: String,
    },
    Ttl {
        #[serde(rename = "TTL")]
        ttl: String,
    },
}

/// How much an instance is to have while its checks pass, and while one warns.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Weights {
    passing: u32,
    warning: u32,
}

/// An element of the answer to `GET /v1/health/service/..`. What is `null`
/// there is as if it was not.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Healthy {
    node: Node,
    service: Known,
    checks: Option<Vec<Checking>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    address: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Known {
    #[serde(rename = "ID")]
    id: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    port: u16,
    tags: Option<Vec<String>>,
    meta: Option<BTreeMap<String, String>>,
    weights: Option<Weights>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Checking {
    #[serde(default)]
    status: Status,
}

/// Of a check, from the worst on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Critical,
    Warning,
    #[default]
    #[serde(other, rename = "passing")]
    Passing,
}

/// What an instance has and a service of Consul has not: its metadata holds
/// them.
pub(super) mod facts {
    use crate::{Health, Instance};
    use std::{borrow::Cow, collections::BTreeMap};

    type Metadata = BTreeMap<String, String>;

    const VERSION: &str = "version";
    const ZONE: &str = "zone";
    const DRAINING: &str = "draining";

    pub(super) fn put(instance: &Instance) -> Cow<'_, Metadata> {
        let drains = instance.health == Health::Draining;
        let facts = [
            (VERSION, instance.version.as_deref()),
            (ZONE, instance.zone.as_deref()),
            (DRAINING, drains.then_some("true")),
        ];
        let mut metadata = Cow::Borrowed(&instance.metadata);
        for (name, value) in facts {
            if let Some(value) = value {
                metadata.to_mut().insert(name.to_owned(), value.to_owned());
            }
        }
        metadata
    }

    pub(in super::super) fn take(metadata: &mut Metadata, instance: &mut Instance) {
        instance.version = metadata.remove(VERSION);
        instance.zone = metadata.remove(ZONE);
        let drains = metadata.remove(DRAINING).is_some_and(|drains| drains == "true");
        if drains && instance.health.is_serving() {
            instance.health = Health::Draining;
        }
    }
}

// ===== impl Weights =====

impl Default for Weights {
    fn default() -> Self {
        Self { passing: 1, warning: 1 }
    }
}

// ===== impl Registration =====

impl<'a> From<&'a Service> for Registration<'a> {
    fn from(Service { instance, check }: &'a Service) -> Self {
        // Consul takes no weight of 0.
        let weight = instance.weight.max(1);
        Self {
            id: &instance.id,
            name: &instance.service,
            address: instance.address.host().to_string(),
            port: instance.address.port(),
            tags: &instance.tags,
            meta: facts::put(instance),
            weights: Weights { passing: weight, warning: weight },
            check: check.as_ref().map(|check| Checked::new(&instance.id, check, instance.health)),
        }
    }
}

impl<'a> Checked<'a> {
    fn new(service: &str, check: &'a Check, health: Health) -> Self {
        let (probe, after) = match check {
            Check::Http(check) => {
                let probe = Probe::Http {
                    url: &check.url,
                    interval: in_go(check.interval),
                    timeout: in_go(check.timeout),
                };
                (probe, check.deregister_after)
            }
            Check::Tcp(check) => {
                let probe = Probe::Tcp {
                    address: &check.address,
                    interval: in_go(check.interval),
                    timeout: in_go(check.timeout),
                };
                (probe, check.deregister_after)
            }
            Check::Grpc(check) => {
                let probe = Probe::Grpc {
                    address: &check.address,
                    tls: check.tls,
                    interval: in_go(check.interval),
                    timeout: in_go(check.timeout),
                };
                (probe, check.deregister_after)
            }
            Check::Ttl(check) => (Probe::Ttl { ttl: in_go(check.ttl) }, check.deregister_after),
        };
        Self {
            id: Check::id(service),
            // Critical by default, until the first check.
            status: status(health),
            deregister_critical_service_after: in_go(after),
            probe,
        }
    }
}

/// Writes how a check is.
pub(super) const fn status(health: Health) -> &'static str {
    match health {
        // One that drains lives: it is told by its metadata.
        Health::Passing | Health::Draining => "passing",
        Health::Warning => "warning",
        Health::Critical => "critical",
    }
}

// ===== impl Healthy =====

impl From<Healthy> for Entry {
    fn from(Healthy { node, service, checks }: Healthy) -> Self {
        let worst = checks.iter().flatten().map(|check| check.status).min().unwrap_or_default();
        let weights = service.weights.unwrap_or_default();
        let (health, weight) = match worst {
            Status::Passing => (Health::Passing, weights.passing),
            Status::Warning => (Health::Warning, weights.warning),
            Status::Critical => (Health::Critical, weights.passing),
        };
        Self {
            node: node.address,
            id: service.id,
            address: service.address,
            port: service.port,
            tags: service.tags.unwrap_or_default(),
            metadata: service.meta.unwrap_or_default(),
            weight,
            health,
        }
    }
}

/// Writes a duration as Go reads it.
pub(super) fn in_go(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}
