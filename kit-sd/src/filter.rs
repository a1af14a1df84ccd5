use crate::{Health, Instance};
#[cfg(feature = "semver")]
use std::{fmt, str::FromStr};

/// Which instances of a set are wanted. Every condition must hold; without any
/// all instances are wanted.
///
/// ```
/// use kit_sd::{Filter, Health, Instance};
///
/// # fn main() -> Result<(), kit_sd::InvalidAddress> {
/// let blue_or_green = Filter::new().tag("http").any_tag(["blue", "green"]).zone("eu-1a");
/// let green = Instance::new("hello", "10.0.0.1:80".parse()?).tag("http").tag("green").zone("eu-1a");
/// assert!(blue_or_green.matches(&green));
/// assert!(!blue_or_green.matches(&green.zone("eu-1b")));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Filter {
    all: Vec<String>,
    any: Vec<Vec<String>>,
    metadata: Vec<(String, String)>,
    zone: Option<String>,
    health: Option<Health>,
    #[cfg(feature = "semver")]
    versions: Vec<VersionRequirement>,
}

/// Which versions are wanted, in the language of Cargo: `^1.2`, `>=1.5.5, <2`,
/// `~1.1`.
///
/// An instance without a version, or with one that is not
/// [SemVer](https://semver.org), is not wanted. `1.10` is read as `1.10.0`, and
/// a `v` before it passed over.
#[cfg(feature = "semver")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRequirement(semver::VersionReq);

/// This is no requirement of versions.
#[cfg(feature = "semver")]
#[derive(Debug)]
pub struct InvalidRequirement(semver::Error);

// ===== impl Filter =====

impl Filter {
    /// Wants every instance.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Wants those that have this tag, beside those asked for before.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.all.push(tag.into());
        self
    }

    /// Wants those that have one of these tags at least.
    #[must_use]
    pub fn any_tag<T: Into<String>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        self.any.push(tags.into_iter().map(Into::into).collect());
        self
    }

    /// Wants those whose metadata has this value under this name.
    #[must_use]
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.push((name.into(), value.into()));
        self
    }

    /// Wants those in this zone.
    #[must_use]
    pub fn zone(mut self, zone: impl Into<String>) -> Self {
        self.zone = Some(zone.into());
        self
    }

    /// Wants those that are at least so: `Health::Warning` leaves out what is
    /// critical or draining.
    #[must_use]
    pub const fn health(mut self, least: Health) -> Self {
        self.health = Some(least);
        self
    }

    /// Wants those whose version is one of these.
    #[cfg(feature = "semver")]
    #[must_use]
    pub fn version(mut self, requirement: VersionRequirement) -> Self {
        self.versions.push(requirement);
        self
    }

    /// Says whether this instance is wanted.
    #[must_use]
    pub fn matches(&self, instance: &Instance) -> bool {
        let has = |tag: &String| instance.tags.contains(tag);
        #[cfg(feature = "semver")]
        let is_of_version = {
            let version = instance.version.as_deref();
            self.versions.iter().all(|wanted| version.is_some_and(|one| wanted.matches(one)))
        };
        #[cfg(not(feature = "semver"))]
        let is_of_version = true;
        is_of_version
            && self.all.iter().all(has)
            && self.any.iter().all(|any| any.iter().any(has))
            && self.metadata.iter().all(|(name, value)| instance.metadata.get(name) == Some(value))
            && self.zone.as_ref().is_none_or(|zone| instance.zone.as_ref() == Some(zone))
            && self.health.is_none_or(|least| instance.health >= least)
    }
}

// ===== impl VersionRequirement =====

#[cfg(feature = "semver")]
impl VersionRequirement {
    /// Says whether this version is wanted.
    #[must_use]
    pub fn matches(&self, version: &str) -> bool {
        read(version).is_some_and(|version| self.0.matches(&version))
    }
}

#[cfg(feature = "semver")]
impl FromStr for VersionRequirement {
    type Err = InvalidRequirement;

    fn from_str(requirement: &str) -> Result<Self, InvalidRequirement> {
        semver::VersionReq::parse(requirement).map(Self).map_err(InvalidRequirement)
    }
}

#[cfg(feature = "semver")]
impl fmt::Display for VersionRequirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Reads a version as people write them: `v1.2` is `1.2.0`.
#[cfg(feature = "semver")]
fn read(version: &str) -> Option<semver::Version> {
    let version = version.strip_prefix('v').unwrap_or(version);
    let numbers = version.find(['-', '+']).unwrap_or(version.len());
    let (numbers, rest) = version.split_at(numbers);
    let missing = 2_usize.checked_sub(numbers.matches('.').count())?;
    semver::Version::parse(&format!("{numbers}{}{rest}", ".0".repeat(missing))).ok()
}

// ===== impl InvalidRequirement =====

#[cfg(feature = "semver")]
impl fmt::Display for InvalidRequirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is no requirement of versions: write one as Cargo does, `>=1.2, <2`")
    }
}

#[cfg(feature = "semver")]
impl std::error::Error for InvalidRequirement {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}
