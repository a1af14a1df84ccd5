//! What Consul reads and writes.

use super::{Check, Entry, Service};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, time::Duration};

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
    meta: &'a BTreeMap<String, String>,
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
    Ttl {
        #[serde(rename = "TTL")]
        ttl: String,
    },
}

/// An element of the answer to `GET /v1/health/service/..`. What is `null`
/// there is as if it was not.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Healthy {
    node: Node,
    service: Known,
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
}

// ===== impl Registration =====

impl<'a> From<&'a Service> for Registration<'a> {
    fn from(Service { instance, check }: &'a Service) -> Self {
        Self {
            id: &instance.id,
            name: &instance.service,
            address: instance.address.host().to_string(),
            port: instance.address.port(),
            tags: &instance.tags,
            meta: &instance.metadata,
            check: check.as_ref().map(|check| Checked::new(&instance.id, check)),
        }
    }
}

impl<'a> Checked<'a> {
    fn new(service: &str, check: &'a Check) -> Self {
        let (probe, after) = match check {
            Check::Http(check) => {
                let probe = Probe::Http {
                    url: &check.url,
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
            status: "passing",
            deregister_critical_service_after: in_go(after),
            probe,
        }
    }
}

// ===== impl Healthy =====

impl From<Healthy> for Entry {
    fn from(Healthy { node, service }: Healthy) -> Self {
        Self {
            node: node.address,
            id: service.id,
            address: service.address,
            port: service.port,
            tags: service.tags.unwrap_or_default(),
            metadata: service.meta.unwrap_or_default(),
        }
    }
}

/// Writes a duration as Go reads it.
pub(super) fn in_go(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}
