use crate::{Refusal, Waiting};
use kit_endpoint::Peer;
use std::{error::Error, fmt, io};

/// Something that went wrong beside the requests, for a log.
///
/// What the service answers is not among it, and neither are panics, which the
/// panic hook tells.
#[derive(Debug)]
#[non_exhaustive]
pub enum Incident<'a> {
    /// No connection could be accepted; the loop goes on.
    #[non_exhaustive]
    Accept {
        /// What the listener said.
        error: &'a io::Error,
    },
    /// A connection broke: the peer left early, or did not speak HTTP, or the
    /// service failed.
    #[non_exhaustive]
    Connection {
        /// Who is at its other end.
        peer: Peer,
        /// What hyper said.
        error: &'a (dyn Error + Send + Sync),
    },
    /// A connection was closed because the peer took too long.
    #[non_exhaustive]
    TimedOut {
        /// Who is at its other end.
        peer: Peer,
        /// What did not come.
        waiting: Waiting,
    },
    /// A peer was turned away before the service saw anything.
    #[non_exhaustive]
    Refused {
        /// Who is at its other end.
        peer: Peer,
        /// Why.
        refusal: Refusal,
    },
}

// ===== impl Incident =====

impl fmt::Display for Incident<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept { error } => write!(f, "no connection accepted: {error}"),
            Self::Connection { peer, error } => {
                write!(f, "connection of {peer} broken: {error}")?;
                let mut source = error.source();
                while let Some(cause) = source {
                    write!(f, ": {cause}")?;
                    source = cause.source();
                }
                Ok(())
            }
            Self::TimedOut { peer, waiting } => {
                write!(f, "connection of {peer} closed: waited too long for {waiting}")
            }
            Self::Refused { peer, refusal } => {
                write!(f, "{peer} refused with {}: {refusal}", refusal.status().as_u16())
            }
        }
    }
}
