//! An instance as JSON or TOML: what etcd, a file and the copy on disk hold.
#![cfg_attr(
    not(any(feature = "disk", feature = "etcd", feature = "file")),
    allow(dead_code, reason = "alone it is what other features need")
)]

use crate::{Address, Health, Instance, InvalidAddress, InvalidHealth};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use std::collections::BTreeMap;

/// The fields of an [`Instance`], all but the address optional.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Document {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<String>,
    address: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    weight: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<String>,
    /// What is none of them: for others, or mistyped.
    #[cfg_attr(
        not(feature = "file"),
        allow(dead_code, reason = "only a file's reader takes them for mistakes")
    )]
    #[allow(clippy::zero_sized_map_values, reason = "serde flattens into maps alone")]
    #[serde(flatten, skip_serializing)]
    pub(crate) others: BTreeMap<String, IgnoredAny>,
}

/// Why a document is no instance.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidDocument {
    /// Nobody can dial its address.
    #[error("the address {0:?} cannot be dialled")]
    Address(String, #[source] InvalidAddress),
    /// Its health is none.
    #[error("the health {0:?} is none")]
    Health(String, #[source] InvalidHealth),
}

const fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_one(weight: &u32) -> bool {
    *weight == 1
}

// ===== impl Document =====

impl Document {
    /// Returns all that keeps it from being an instance.
    #[cfg(feature = "file")]
    pub(crate) fn mistakes(&self) -> Vec<InvalidDocument> {
        let health = self.health.as_ref().and_then(|health| {
            let invalid = health.parse::<Health>().err()?;
            Some(InvalidDocument::Health(health.clone(), invalid))
        });
        let address = self.address.parse::<Address>().err();
        address
            .map(|error| InvalidDocument::Address(self.address.clone(), error))
            .into_iter()
            .chain(health)
            .collect()
    }

    /// Reads an instance, of `service` unless it says another.
    pub(crate) fn into_instance(self, service: &str) -> Result<Instance, InvalidDocument> {
        let address: Address = self
            .address
            .parse()
            .map_err(|error| InvalidDocument::Address(self.address.clone(), error))?;
        let mut instance = Instance::new(self.service.as_deref().unwrap_or(service), address);
        if let Some(id) = self.id {
            instance.id = id;
        }
        if let Some(health) = self.health {
            instance.health = health
                .parse::<Health>()
                .map_err(|error| InvalidDocument::Health(health.clone(), error))?;
        }
        instance.tags = self.tags;
        instance.metadata = self.metadata;
        instance.version = self.version;
        instance.zone = self.zone;
        instance.weight = self.weight;
        Ok(instance)
    }
}

impl From<&Instance> for Document {
    fn from(instance: &Instance) -> Self {
        let health = instance.health;
        Self {
            id: Some(instance.id.clone()),
            service: Some(instance.service.clone()),
            address: instance.address.to_string(),
            tags: instance.tags.clone(),
            metadata: instance.metadata.clone(),
            version: instance.version.clone(),
            zone: instance.zone.clone(),
            weight: instance.weight,
            health: (health != Health::Passing).then(|| health.name().to_owned()),
            others: BTreeMap::new(),
        }
    }
}
