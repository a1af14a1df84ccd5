use crate::Address;
use std::collections::BTreeMap;

/// One running copy of a service: what it is called and where it is reached.
///
/// An instance is known by its [`id`](Self::id) *and* its address: registries
/// promise ids to be unique per agent only, and two nodes with a copy each
/// often use the service's name for both.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Instance {
    /// Tells it apart from the other instances; `service-host-port` unless
    /// set.
    pub id: String,
    /// The service's name.
    pub service: String,
    /// Where it is reached.
    pub address: Address,
    /// Words to choose by.
    pub tags: Vec<String>,
    /// Facts by name.
    pub metadata: BTreeMap<String, String>,
}

// ===== impl Instance =====

impl Instance {
    /// Creates an instance of `service` without tags and metadata.
    pub fn new(service: impl Into<String>, address: Address) -> Self {
        let service = service.into();
        let id = format!("{service}-{}-{}", address.host(), address.port());
        Self { id, service, address, tags: Vec::new(), metadata: BTreeMap::new() }
    }

    /// Sets the id.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// Adds a tag.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// Adds a fact; one of the same name is replaced.
    #[must_use]
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(name.into(), value.into());
        self
    }

    /// Returns what it is known by, and sorted by.
    pub(crate) fn key(&self) -> (&str, &Address) {
        (&self.id, &self.address)
    }
}
