use std::{error::Error, fmt, time::Duration};

/// Why a token is not taken: for logs, as the source of a
/// [`Denied`](crate::Denied). It shows nothing of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenError {
    /// It is longer than is taken.
    TooLong,
    /// It has not three parts, or they are not base64url.
    Parts,
    /// Its header is not what it should be.
    Header,
    /// It asks for something that is not known here (`crit`, `b64`).
    Critical,
    /// It is of another type (`typ`).
    Type,
    /// Its algorithm is none that is known here.
    Algorithm,
    /// Its key is for another algorithm.
    OtherAlgorithm,
    /// Its key (`kid`) is not known.
    UnknownKey,
    /// It does not say which key, and there are several.
    NoKeyId,
    /// There are no keys yet.
    NoKeys,
    /// Its signature is not right.
    Signature,
    /// Its claims are not what they should be.
    Claims,
    /// A claim that is required is not there.
    Missing(&'static str),
    /// It is of another issuer.
    Issuer,
    /// It is for another audience.
    Audience,
    /// It expired, so long ago.
    Expired(Duration),
    /// It is valid (`nbf`), or was made (`iat`), only in so long.
    Early(Duration),
    /// It was made longer ago than it may be.
    TooOld,
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str("the token is too long"),
            Self::Parts => f.write_str("the token is not three parts of base64url"),
            Self::Header => f.write_str("the header of the token is none"),
            Self::Critical => f.write_str("the token asks for an extension that is not known"),
            Self::Type => f.write_str("the token is of another type"),
            Self::Algorithm => f.write_str("the token is signed by an algorithm that is not taken"),
            Self::OtherAlgorithm => f.write_str("the token's key is for another algorithm"),
            Self::UnknownKey => f.write_str("the token's key is not known"),
            Self::NoKeyId => f.write_str("the token does not say which key it is signed with"),
            Self::NoKeys => f.write_str("there are no keys to verify the token with"),
            Self::Signature => f.write_str("the token's signature is not right"),
            Self::Claims => f.write_str("the claims of the token are not what they should be"),
            Self::Missing(claim) => write!(f, "the token has no {claim}"),
            Self::Issuer => f.write_str("the token is of another issuer"),
            Self::Audience => f.write_str("the token is for another audience"),
            Self::Expired(ago) => write!(f, "the token expired {} s ago", ago.as_secs()),
            Self::Early(ahead) => {
                write!(f, "the token is valid in {} s", ahead.as_secs_f64().ceil())
            }
            Self::TooOld => f.write_str("the token was made too long ago"),
        }
    }
}

impl Error for TokenError {}
