use crate::NoEndpoints;
use kit_endpoint::{Details, Fault, Kind};
use std::{error, fmt, time::Duration};

/// The call failed, and there is no other try: the error of every attempt.
///
/// As a fault it is like its last attempt, but for the reasons that are the
/// retry's own: out of time, or without endpoints.
#[derive(Debug)]
pub struct GaveUp<E> {
    attempts: Vec<E>,
    reason: Reason,
}

/// Why there is no other try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// All attempts are used up.
    Attempts,
    /// The last error is not to be tried again.
    NotRetryable,
    /// The time for all attempts is over. One that was under way then has
    /// left no error.
    Deadline,
    /// There is no endpoint to try.
    NoEndpoints,
}

// ===== impl GaveUp =====

impl<E> GaveUp<E> {
    pub(super) const fn new(attempts: Vec<E>, reason: Reason) -> Self {
        Self { attempts, reason }
    }

    /// Returns the errors of the attempts, in their order.
    #[must_use]
    pub fn attempts(&self) -> &[E] {
        &self.attempts
    }

    /// Takes the error of the last attempt, if there was one.
    #[must_use]
    pub fn into_last(mut self) -> Option<E> {
        self.attempts.pop()
    }

    /// Returns why there is no other try.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }
}

impl<E: Fault> fmt::Display for GaveUp<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let earlier = match (self.reason, self.attempts.split_last()) {
            (Reason::Deadline, _) => {
                f.write_str("no attempt succeeded in time")?;
                &*self.attempts
            }
            (Reason::NoEndpoints, _) | (_, None) => {
                write!(f, "{}", NoEndpoints(()))?;
                &*self.attempts
            }
            (_, Some((last, earlier))) => {
                write!(f, "{last}")?;
                // A caller at fault is shown this, and not what is wrong here.
                if last.kind().is_server() { earlier } else { &[] }
            }
        };
        for (n, error) in earlier.iter().enumerate() {
            write!(f, "{}{error}", if n == 0 { " (previously: " } else { "; " })?;
        }
        f.write_str(if earlier.is_empty() { "" } else { ")" })
    }
}

impl<E: Fault> error::Error for GaveUp<E> {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.attempts.last().map(|last| last as _)
    }
}

impl<E: Fault> Fault for GaveUp<E> {
    fn inner(&self) -> Option<&dyn Fault> {
        match self.reason {
            Reason::Attempts | Reason::NotRetryable => self.attempts.last().map(|last| last as _),
            Reason::Deadline | Reason::NoEndpoints => None,
        }
    }

    fn kind(&self) -> Kind {
        match self.reason {
            Reason::Deadline => Kind::DeadlineExceeded,
            Reason::NoEndpoints => NoEndpoints(()).kind(),
            Reason::Attempts | Reason::NotRetryable => {
                self.inner().map_or(Kind::Unknown, Fault::kind)
            }
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        self.attempts.last().and_then(Fault::retry_after)
    }

    /// Only if no attempt ran at all.
    fn refused(&self) -> bool {
        self.reason != Reason::Deadline && self.attempts.iter().all(Fault::refused)
    }

    fn describe(&self, details: &mut Details) {
        if let Some(inner) = self.inner() {
            inner.describe(details);
        }
    }
}
