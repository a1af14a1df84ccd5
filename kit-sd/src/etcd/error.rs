use crate::{InvalidAddress, InvalidDocument};
use std::{error, time::Duration};

/// Why a call to etcd failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address of a member is not one.
    #[error("{address:?} is no address of etcd: {why}")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// There is no address.
    #[error("no address of etcd is given")]
    NoAddress,
    /// An address is one of HTTPS, and nothing says whom to trust.
    #[error("etcd speaks TLS: say whom to trust by `Etcd::tls`")]
    NoTls,
    /// A member is not reached, or the connection to it broke.
    #[error("etcd is not reached at {address}: {message}")]
    Connection {
        /// Where it was looked for.
        address: String,
        /// What the connection says.
        message: String,
    },
    /// A member did not answer in this time.
    #[error("etcd did not answer within {0:?}")]
    TimedOut(Duration),
    /// A watch got no sign of life in this time.
    #[error("etcd has fallen silent: no word within {0:?}")]
    Silent(Duration),
    /// etcd answered that it did not do it.
    #[error("etcd answered: {message} (gRPC code {code})")]
    Refused {
        /// The code of gRPC.
        code: i32,
        /// What it said.
        message: String,
    },
    /// etcd ended a watch.
    #[error("etcd ended the watch: {0}")]
    Cancelled(String),
    /// A lease was over before its key was put.
    #[error("the lease was lost before the instance was put")]
    LeaseLost,
    /// The answer is not what etcd answers.
    #[error("the answer is not etcd's: see what listens at its address")]
    Malformed,
    /// The client failed.
    #[error(transparent)]
    Other(Box<dyn error::Error + Send + Sync>),
}

/// Why a key of etcd is no instance, and left out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidEntry {
    /// The key is not one of an instance's.
    #[error("the key is none that an instance has")]
    Key,
    /// The value is not the JSON of an instance.
    #[error("the value is not JSON of an instance")]
    Json(#[source] Box<dyn error::Error + Send + Sync>),
    /// A field of the JSON is not what it must be.
    #[error(transparent)]
    Document(#[from] InvalidDocument),
    /// The value is no address.
    #[error("the value {0:?} is no address that can be dialled")]
    Address(String, #[source] InvalidAddress),
}

// ===== impl Error =====

impl Error {
    pub(super) fn of(error: etcd_client::Error, address: &str) -> Self {
        let connection = |error: &(dyn error::Error + 'static)| Self::Connection {
            address: address.to_owned(),
            message: crate::error::chain(error),
        };
        match error {
            etcd_client::Error::GRpcStatus(status) => match error::Error::source(&status) {
                // What etcd itself says has no source.
                Some(source) => connection(source),
                None => Self::Refused {
                    code: status.code().into(),
                    message: status.message().to_owned(),
                },
            },
            etcd_client::Error::TransportError(error) => connection(&error),
            other => Self::Other(other.into()),
        }
    }

    /// Says whether another member may do better: this one is not reached, or
    /// is not fit to answer.
    pub(super) const fn is_of_member(&self) -> bool {
        match self {
            Self::Connection { .. } | Self::TimedOut(_) | Self::Silent(_) | Self::Malformed => true,
            Self::Refused { code, .. } => {
                matches!(*code, CANCELLED | UNKNOWN | DEADLINE | ABORTED | INTERNAL | UNAVAILABLE)
            }
            _ => false,
        }
    }

    /// Says whether a lease is not there.
    pub(super) const fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { code: NOT_FOUND, .. })
    }
}

/// Codes of gRPC.
const CANCELLED: i32 = 1;
const UNKNOWN: i32 = 2;
const DEADLINE: i32 = 4;
const NOT_FOUND: i32 = 5;
const ABORTED: i32 = 10;
const INTERNAL: i32 = 13;
const UNAVAILABLE: i32 = 14;
