use crate::InvalidAddress;
use std::{error, time::Duration};

/// Why the set could not be learned from DNS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The name is none of DNS.
    #[error("{0:?} is no DNS name")]
    Name(String),
    /// The system's configuration says nothing that could be used.
    #[error("the system's DNS configuration cannot be used")]
    Configuration(#[source] Box<dyn error::Error + Send + Sync>),
    /// There is no name server to ask.
    #[error("no name server is given")]
    NoServers,
    /// There was no answer in this time.
    #[error("no name server answered within {0:?}")]
    TimedOut(Duration),
    /// The name server answered that it does not know: SERVFAIL, REFUSED.
    #[error("the name server answered {0}")]
    Answered(String),
    /// The name server answered where else to ask.
    #[error("the name server refers to others: give one that resolves by itself")]
    Referred,
    /// The answer is cut short, also over TCP.
    #[error("the answer is cut short")]
    Truncated,
    /// Aliases that do not end.
    #[error("there are more than {0} aliases behind the name")]
    Aliases(usize),
    /// There are records, and nobody can dial any of them.
    #[error("nothing in the {records} records can be dialled; the first")]
    Unusable {
        /// How many there are.
        records: usize,
        /// What is wrong with the first of them.
        source: InvalidAddress,
    },
    /// The name server is not reached, or what it says is not DNS.
    #[error("the name server is not reached, or its answer not DNS")]
    Broken(#[source] Box<dyn error::Error + Send + Sync>),
    /// Another resolver failed.
    #[error(transparent)]
    Other(Box<dyn error::Error + Send + Sync>),
}
