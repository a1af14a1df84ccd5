use kit_endpoint::{Details, Expired, Fault, Kind, Panicked};
use kit_transport_grpc::{code, server::ReadError, status};
use std::{error, time::Duration};
use tonic::Status;

/// Whose reasons the errors' are.
pub const DOMAIN: &str = "interop.kit";

/// The largest payload that is made, in bytes: what clients read by default.
pub const MOST: i32 = 4 * 1024 * 1024;

/// Why the test service does not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller asked for this failure.
    #[error("{message}")]
    Asked {
        /// The kind of failure.
        kind: Kind,
        /// What to say.
        message: String,
    },
    /// A payload cannot have a size below zero.
    #[error("the size {0} is negative")]
    Negative(i32),
    /// A payload is asked for that is larger than any is.
    #[error("the size {0} is over {MOST}")]
    TooLarge(i32),
    /// The requests broke off.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It took too long.
    #[error(transparent)]
    Expired(#[from] Expired),
    /// The endpoint panicked.
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

// ===== impl Error =====

impl Error {
    /// Answers `fault`: what was asked for to the letter, where a fault of the
    /// service says no more than its kind by default.
    pub(crate) fn status(fault: &dyn Fault) -> Status {
        let error: &dyn error::Error = fault;
        match error.downcast_ref() {
            Some(Self::Asked { kind, message }) => Status::new(code(*kind), message),
            _ => status(fault),
        }
    }
}

impl Fault for Error {
    fn inner(&self) -> Option<&dyn Fault> {
        match self {
            Self::Asked { .. } | Self::Negative(_) | Self::TooLarge(_) => None,
            Self::Read(fact) => Some(fact),
            Self::Expired(fact) => Some(fact),
            Self::Panicked(fact) => Some(fact),
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Asked { kind, .. } => *kind,
            Self::Negative(_) => Kind::InvalidArgument,
            Self::TooLarge(_) => Kind::ResourceExhausted,
            _ => self.inner().map_or(Kind::Unknown, Fault::kind),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooLarge(_) => Some(Duration::from_millis(2500)),
            _ => self.inner().and_then(Fault::retry_after),
        }
    }

    fn describe(&self, details: &mut Details) {
        match self {
            Self::Asked { .. } => {}
            Self::Negative(size) => {
                details
                    .reason("SIZE_NEGATIVE")
                    .domain(DOMAIN)
                    .metadata("size", size.to_string())
                    .violation("response_size", self.to_string());
            }
            Self::TooLarge(size) => {
                details
                    .reason("SIZE_TOO_LARGE")
                    .domain(DOMAIN)
                    .metadata("size", size.to_string())
                    .quota("response_size", format!("at most {MOST}"));
            }
            _ => {
                if let Some(inner) = self.inner() {
                    inner.describe(details);
                }
            }
        }
    }
}
