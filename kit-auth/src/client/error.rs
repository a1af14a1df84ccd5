use kit_endpoint::{Fault, Kind};
use std::{error::Error, fmt};

type BoxError = Box<dyn Error + Send + Sync>;

/// There is nothing to say who one is by: the request was not sent.
#[derive(Debug)]
pub struct NoCredential {
    what: &'static str,
    source: Option<BoxError>,
}

// ===== impl NoCredential =====

impl NoCredential {
    /// Says what is wrong. It must hold no secret.
    #[must_use]
    pub const fn new(what: &'static str) -> Self {
        Self { what, source: None }
    }

    /// Says why.
    #[must_use]
    pub fn because(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for NoCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there are no credentials to call with: {}", self.what)
    }
}

impl Error for NoCredential {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl Fault for NoCredential {
    fn kind(&self) -> Kind {
        Kind::Unavailable
    }

    /// Nothing was sent.
    fn refused(&self) -> bool {
        true
    }
}
