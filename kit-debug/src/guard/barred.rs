use http::{HeaderValue, header::WWW_AUTHENTICATE};
use kit_endpoint::{Details, Fault, Kind};
use std::{error, fmt};

/// A [`Guard`](super::Guard) let a request not in: nothing ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Barred {
    reason: Reason,
}

/// Why a request was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// It names a host that is none of this port's: 403.
    Host,
    /// A page of another site sends it: 403.
    CrossSite,
    /// It is not from this machine, and no token would help: 403.
    Stranger,
    /// It is not from this machine, and shows no token: 401.
    NoToken,
    /// Its token is not right: 401.
    WrongToken,
}

// ===== impl Reason =====

impl Reason {
    /// One for each, for counting.
    pub(super) const NAMES: [&'static str; 5] =
        ["host", "cross_site", "stranger", "no_token", "wrong_token"];

    pub(super) const fn index(self) -> usize {
        match self {
            Self::Host => 0,
            Self::CrossSite => 1,
            Self::Stranger => 2,
            Self::NoToken => 3,
            Self::WrongToken => 4,
        }
    }

    /// Returns the name: `host`, `cross_site`, `stranger`, `no_token`,
    /// `wrong_token`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::NAMES[self.index()]
    }
}

// ===== impl Barred =====

impl Barred {
    pub(super) const fn new(reason: Reason) -> Self {
        Self { reason }
    }

    /// Returns the reason.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }
}

impl fmt::Display for Barred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.reason {
            Reason::Host => {
                "the host is not known here: ask for an IP address, localhost, or a name that \
                 this port was given"
            }
            Reason::CrossSite => "pages of other sites may not ask this",
            Reason::Stranger => "only who is on this machine may ask this",
            Reason::NoToken => "who is not on this machine must show a token",
            Reason::WrongToken => "the token is not right",
        })
    }
}

impl error::Error for Barred {}

impl Fault for Barred {
    fn kind(&self) -> Kind {
        match self.reason {
            Reason::Host | Reason::CrossSite | Reason::Stranger => Kind::PermissionDenied,
            Reason::NoToken | Reason::WrongToken => Kind::Unauthenticated,
        }
    }

    fn refused(&self) -> bool {
        true
    }

    fn describe(&self, details: &mut Details) {
        let (reason, challenge) = match self.reason {
            Reason::Host => ("HOST_UNKNOWN", None),
            Reason::CrossSite => ("CROSS_SITE", None),
            Reason::Stranger => ("NOT_LOCAL", None),
            Reason::NoToken => ("CREDENTIALS_MISSING", Some("Bearer realm=\"debug\"")),
            // RFC 6750, section 3.1.
            Reason::WrongToken => {
                ("CREDENTIALS_INVALID", Some("Bearer realm=\"debug\", error=\"invalid_token\""))
            }
        };
        details.reason(reason).domain("kit");
        if let Some(challenge) = challenge {
            details.header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
    }
}
