use crate::{Signal, outcome::BoxError};
use std::{borrow::Cow, fmt, time::Duration};

type Name = Cow<'static, str>;

/// A group did not end well: what went wrong, in the order in which it did.
#[derive(Debug)]
pub struct Error {
    failures: Vec<Failure>,
}

/// One thing that went wrong in a group.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// An actor or a phase ended in an error.
    Failed {
        /// Its name.
        name: Name,
        /// What it returned.
        error: BoxError,
    },
    /// An actor or a phase panicked.
    Panicked {
        /// Its name.
        name: Name,
        /// The message of the panic, if it was text.
        message: String,
    },
    /// A phase took longer than it may, and was dropped.
    Overran {
        /// Its name.
        name: Name,
        /// How long it had: its own limit, or what was left of the whole.
        limit: Duration,
    },
    /// A phase had begun when a second signal came, and was dropped.
    BrokenOff {
        /// Its name.
        name: Name,
    },
    /// A phase was not begun: time was up, or a second signal came.
    Skipped {
        /// Its name.
        name: Name,
    },
    /// An actor was still running at the end, and was dropped.
    Cut {
        /// Its name.
        name: Name,
    },
    /// A second signal ended the shutdown.
    Forced {
        /// The second one.
        signal: Signal,
    },
}

// ===== impl Error =====

impl Error {
    pub(crate) fn of(failures: Vec<Failure>) -> Result<(), Self> {
        if failures.is_empty() { Ok(()) } else { Err(Self { failures }) }
    }

    /// Returns what went wrong, in the order in which it did.
    #[must_use]
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// Says whether a second signal ended the shutdown.
    #[must_use]
    pub fn is_forced(&self) -> bool {
        self.failures.iter().any(|failure| matches!(failure, Failure::Forced { .. }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, failure) in self.failures.iter().enumerate() {
            if n > 0 {
                f.write_str("; ")?;
            }
            failure.fmt(f)?;
        }
        Ok(())
    }
}

// The errors are told by `Display`, since there may be several: no `source`.
impl std::error::Error for Error {}

/// An error and its causes, on one line.
pub(crate) fn described(error: &(dyn std::error::Error + 'static)) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        said.push_str(": ");
        said.push_str(&cause.to_string());
        source = cause.source();
    }
    said
}

// ===== impl Failure =====

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { name, error } => write!(f, "{name} failed: {}", described(&**error)),
            Self::Panicked { name, message } if message.is_empty() => write!(f, "{name} panicked"),
            Self::Panicked { name, message } => write!(f, "{name} panicked: {message}"),
            Self::Overran { name, limit } => write!(f, "{name} took longer than {limit:?}"),
            Self::BrokenOff { name } => write!(f, "{name} was broken off"),
            Self::Skipped { name } => write!(f, "{name} was skipped"),
            Self::Cut { name } => write!(f, "{name} was cut"),
            Self::Forced { signal } => write!(f, "a second signal, {signal}, forced the end"),
        }
    }
}
