use crate::Malformed;
use http::{HeaderValue, header::WWW_AUTHENTICATE};
use kit_endpoint::{Details, Fault, Kind};
use std::{error::Error, fmt, time::Duration};

type BoxError = Box<dyn Error + Send + Sync>;

/// A request is not let in, since it is not known who sends it.
///
/// What its `Display` says is what the caller is told, and no more than helps an
/// honest one: that a token is over, but not by which check a forged one failed.
/// That is its [`source`](Error::source), for logs.
pub struct Denied(Box<Inner>);

struct Inner {
    reason: Reason,
    scheme: Option<&'static str>,
    challenges: Vec<HeaderValue>,
    retry_after: Option<Duration>,
    source: Option<BoxError>,
}

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// It has no credentials of a kind that is taken.
    Missing,
    /// It has some that cannot be read.
    Malformed(Malformed),
    /// They are not right.
    Invalid,
    /// They were, and are over.
    Expired,
    /// They will be.
    NotYetValid,
    /// It cannot be told now: what they are checked against is not to be had.
    Unavailable,
    /// Nobody wrote down its [`Credentials`](crate::Credentials): the program is
    /// not put together right.
    NoHook,
}

// ===== impl Reason =====

impl Reason {
    /// One for each, for counting.
    pub(crate) const NAMES: [&'static str; 7] =
        ["missing", "malformed", "invalid", "expired", "not_yet_valid", "unavailable", "no_hook"];

    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Missing => 0,
            Self::Malformed(_) => 1,
            Self::Invalid => 2,
            Self::Expired => 3,
            Self::NotYetValid => 4,
            Self::Unavailable => 5,
            Self::NoHook => 6,
        }
    }

    /// Returns the name: `missing`, `malformed`, `invalid`, `expired`,
    /// `not_yet_valid`, `unavailable`, `no_hook`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::NAMES[self.index()]
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "credentials are needed",
            Self::Malformed(malformed) => return malformed.fmt(f),
            Self::Invalid => "the credentials are not right",
            Self::Expired => "the credentials are expired: get new ones",
            Self::NotYetValid => "the credentials are not valid yet",
            Self::Unavailable => "the credentials cannot be checked now",
            Self::NoHook => {
                "nobody read the credentials of the request: \
                 add `.hook(auth.hook())` to the server of its transport"
            }
        })
    }
}

// ===== impl Denied =====

impl Denied {
    /// A request is not let in for this reason.
    #[must_use]
    pub fn new(reason: Reason) -> Self {
        Self(Box::new(Inner {
            reason,
            scheme: None,
            challenges: Vec::new(),
            retry_after: None,
            source: None,
        }))
    }

    /// Says which scheme's credentials (`Bearer`) it was that were looked at.
    #[must_use]
    pub fn of(mut self, scheme: &'static str) -> Self {
        self.0.scheme = Some(scheme);
        self
    }

    /// Says by what it failed, for logs. It must hold no secret.
    #[must_use]
    pub fn because(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.0.retry_after = Some(after);
        self
    }

    /// Returns the reason.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.0.reason
    }

    /// Returns the scheme whose credentials were looked at.
    #[must_use]
    pub const fn scheme(&self) -> Option<&'static str> {
        self.0.scheme
    }

    /// Adds what the caller may do about it: values of `WWW-Authenticate`.
    pub(crate) fn challenged(mut self, challenges: impl IntoIterator<Item = HeaderValue>) -> Self {
        self.0.challenges.extend(challenges);
        self
    }
}

impl From<Malformed> for Denied {
    fn from(malformed: Malformed) -> Self {
        Self::new(Reason::Malformed(malformed))
    }
}

impl fmt::Debug for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Denied")
            .field("reason", &self.0.reason)
            .field("scheme", &self.0.scheme)
            .field("source", &self.0.source)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.reason.fmt(f)
    }
}

impl Error for Denied {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl Fault for Denied {
    fn kind(&self) -> Kind {
        match self.0.reason {
            Reason::Unavailable => Kind::Unavailable,
            Reason::NoHook => Kind::Internal,
            _ => Kind::Unauthenticated,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Nothing ran.
    fn refused(&self) -> bool {
        true
    }

    fn describe(&self, details: &mut Details) {
        let reason = match self.0.reason {
            Reason::Missing => "CREDENTIALS_MISSING",
            Reason::Malformed(_) => "CREDENTIALS_MALFORMED",
            Reason::Invalid => "CREDENTIALS_INVALID",
            Reason::Expired => "CREDENTIALS_EXPIRED",
            Reason::NotYetValid => "CREDENTIALS_NOT_YET_VALID",
            Reason::Unavailable => "CREDENTIALS_UNCHECKED",
            // A fault of the service says no more than that.
            Reason::NoHook => return,
        };
        details.reason(reason).domain("kit");
        for challenge in &self.0.challenges {
            details.header(WWW_AUTHENTICATE, challenge.clone());
        }
    }
}
