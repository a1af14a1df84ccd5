use serde::Serialize;

/// What was built: the page `/debug/build`.
///
/// ```
/// use kit_debug::Build;
///
/// const BUILD: Build = Build::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
///     .commit(option_env!("APP_COMMIT"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Build {
    /// The name of the program.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The commit, where the build was told it.
    pub commit: Option<&'static str>,
    /// The features that are on.
    pub features: &'static [&'static str],
}

// ===== impl Build =====

impl Build {
    /// A program of this name and version.
    #[must_use]
    pub const fn new(name: &'static str, version: &'static str) -> Self {
        Self { name, version, commit: None, features: &[] }
    }

    /// Says of which commit, if that is known.
    #[must_use]
    pub const fn commit(mut self, commit: Option<&'static str>) -> Self {
        self.commit = commit;
        self
    }

    /// Says which features are on.
    #[must_use]
    pub const fn features(mut self, features: &'static [&'static str]) -> Self {
        self.features = features;
        self
    }
}
