use crate::challenge::Challenge;
use http::{HeaderValue, header::WWW_AUTHENTICATE};
use kit_endpoint::{Details, Fault, Kind};
use std::{error::Error, fmt};

/// A request may not be served: its sender may not ask for that, or is not
/// known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forbidden(Box<Inner>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Inner {
    is_known: bool,
    challenges: Vec<HeaderValue>,
}

// ===== impl Forbidden =====

impl Forbidden {
    /// One who is known may not ask for that: 403.
    #[must_use]
    pub fn new() -> Self {
        Self(Box::new(Inner { is_known: true, challenges: Vec::new() }))
    }

    /// It is not known who asks: 401, which says how to tell.
    #[must_use]
    pub fn unknown(challenges: impl IntoIterator<Item = HeaderValue>) -> Self {
        Self(Box::new(Inner { is_known: false, challenges: challenges.into_iter().collect() }))
    }

    /// Names the scopes that would do, for a client that can get a token with
    /// them (RFC 6750, section 3.1).
    #[must_use]
    pub fn needs(mut self, scopes: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let mut all = String::new();
        for scope in scopes {
            all.push_str(if all.is_empty() { "" } else { " " });
            all.push_str(scope.as_ref());
        }
        if !all.is_empty() {
            let challenge = Challenge::new("Bearer").with("error", "insufficient_scope");
            self.0.challenges.push(challenge.with("scope", &all).header());
        }
        self
    }

    /// Says whether it is known who asked.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.0.is_known
    }
}

impl Default for Forbidden {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_known {
            "that is not allowed with these credentials"
        } else {
            "credentials are needed"
        })
    }
}

impl Error for Forbidden {}

impl Fault for Forbidden {
    fn kind(&self) -> Kind {
        if self.0.is_known { Kind::PermissionDenied } else { Kind::Unauthenticated }
    }

    /// Nothing ran.
    fn refused(&self) -> bool {
        true
    }

    fn describe(&self, details: &mut Details) {
        details.reason(if self.0.is_known { "FORBIDDEN" } else { "CREDENTIALS_MISSING" });
        details.domain("kit");
        for challenge in &self.0.challenges {
            details.header(WWW_AUTHENTICATE, challenge.clone());
        }
    }
}
