use std::{error::Error, fmt};

/// A name or a password that Basic cannot carry (RFC 7617, section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unfit {
    /// The name has a colon, which is what ends it.
    Colon,
    /// A control character is in it.
    Control,
}

/// Users that cannot be kept. It says which, counted from one, and nothing of
/// them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadUsers {
    /// Basic cannot carry a name or its password.
    #[non_exhaustive]
    Unfit {
        /// Which user's.
        position: usize,
        /// What is wrong.
        unfit: Unfit,
    },
    /// A name is empty.
    #[non_exhaustive]
    NoName {
        /// Which user's.
        position: usize,
    },
    /// A password is empty, as a variable that is not set would make it.
    #[non_exhaustive]
    NoPassword {
        /// Which user's.
        position: usize,
    },
    /// Two users have one name.
    #[non_exhaustive]
    Twice {
        /// Which user has a name that was there.
        position: usize,
        /// Where it was there first.
        first: usize,
    },
    /// The system has no random numbers.
    NoRandom,
}

// ===== impl Unfit =====

impl Unfit {
    pub(super) fn check(name: &str, password: &str) -> Result<(), Self> {
        if name.contains(':') {
            Err(Self::Colon)
        } else if name.chars().chain(password.chars()).any(char::is_control) {
            Err(Self::Control)
        } else {
            Ok(())
        }
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Colon => "the name has a colon, at which Basic would end it",
            Self::Control => "the name or the password has a control character",
        })
    }
}

impl Error for Unfit {}

// ===== impl BadUsers =====

impl fmt::Display for BadUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfit { position, unfit } => write!(f, "user {position}: {unfit}"),
            Self::NoName { position } => write!(f, "user {position} has no name"),
            Self::NoPassword { position } => write!(f, "user {position} has no password"),
            Self::Twice { position, first } => {
                write!(f, "users {first} and {position} have the same name")
            }
            Self::NoRandom => f.write_str("the system has no random numbers"),
        }
    }
}

impl Error for BadUsers {}
