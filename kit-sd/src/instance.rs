use crate::Address;
use std::{collections::BTreeMap, fmt, str::FromStr};

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
    /// Its version, best one of [SemVer](https://semver.org); none unless set.
    pub version: Option<String>,
    /// The failure domain that it runs in: what its cloud calls an
    /// availability zone; none unless set.
    pub zone: Option<String>,
    /// How much of the calls it is to have beside the others; 1 unless set. 0
    /// says: only where there is no other.
    pub weight: u32,
    /// How it is, as the registry has it; passing unless set.
    pub health: Health,
}

/// How an instance is, as its registry has it.
///
/// The order is from the worst to the best.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Health {
    /// A check of it fails: it is not to be called.
    Critical,
    /// It is about to end: it finishes what it has, and is to get no more.
    Draining,
    /// A check of it warns: it is called all the same.
    Warning,
    /// Nothing says otherwise.
    #[default]
    Passing,
}

/// This is no [`Health`]: it is `passing`, `warning`, `draining` or `critical`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidHealth(());

// ===== impl Instance =====

impl Instance {
    /// Creates a passing instance of `service`, of weight 1, with nothing else
    /// known of it.
    pub fn new(service: impl Into<String>, address: Address) -> Self {
        let service = service.into();
        let id = format!("{service}-{}-{}", address.host(), address.port());
        Self {
            id,
            service,
            address,
            tags: Vec::new(),
            metadata: BTreeMap::new(),
            version: None,
            zone: None,
            weight: 1,
            health: Health::default(),
        }
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

    /// Sets the version.
    #[must_use]
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Sets the zone.
    #[must_use]
    pub fn zone(mut self, zone: impl Into<String>) -> Self {
        self.zone = Some(zone.into());
        self
    }

    /// Sets the weight.
    #[must_use]
    pub const fn weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }

    /// Sets how it is.
    #[must_use]
    pub const fn health(mut self, health: Health) -> Self {
        self.health = health;
        self
    }

    /// Returns what it is known by, and sorted by.
    pub(crate) fn key(&self) -> (&str, &Address) {
        (&self.id, &self.address)
    }
}

// ===== impl Health =====

impl Health {
    /// Returns its name, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Draining => "draining",
            Self::Warning => "warning",
            Self::Passing => "passing",
        }
    }

    /// Says whether an instance that is so is to get calls: one that is
    /// passing, or only warning.
    #[must_use]
    pub const fn is_serving(self) -> bool {
        matches!(self, Self::Passing | Self::Warning)
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Health {
    type Err = InvalidHealth;

    fn from_str(health: &str) -> Result<Self, InvalidHealth> {
        let all = [Self::Critical, Self::Draining, Self::Warning, Self::Passing];
        all.into_iter().find(|one| one.name() == health).ok_or(InvalidHealth(()))
    }
}

// ===== impl InvalidHealth =====

impl fmt::Display for InvalidHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the health must be passing, warning, draining or critical")
    }
}

impl std::error::Error for InvalidHealth {}
