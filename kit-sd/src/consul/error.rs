use std::{error, io, sync::Arc, time::Duration};

/// Why a call to Consul failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The agent's address is not one.
    #[error("{address:?} is no address of an agent: {why}")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The token holds what no header can.
    #[error("the token has characters that a header cannot have")]
    Token,
    /// The agent is not reached.
    #[error("the agent at {address} is not reached")]
    Connect {
        /// Where it was looked for.
        address: String,
        /// What the connection says.
        source: io::Error,
    },
    /// The connection broke, or what came over it is not HTTP.
    #[error("the connection to the agent broke")]
    Connection(#[source] Box<dyn error::Error + Send + Sync>),
    /// The agent did not answer in this time.
    #[error("the agent did not answer within {0:?}")]
    TimedOut(Duration),
    /// The agent answered that it did not do it.
    #[error("the agent answered {status}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The beginning of what it said.
        message: String,
    },
    /// The answer is larger than this many bytes.
    #[error("the answer is larger than {0} bytes: ask for fewer instances by tag")]
    TooLarge(usize),
    /// The answer is not what Consul answers.
    #[error("the answer is not Consul's: see what listens at the agent's address")]
    Malformed(#[source] Box<dyn error::Error + Send + Sync>),
    /// The index of the answer is 0, which is none.
    #[error("the answer has no index")]
    NoIndex,
    /// The cluster has no leader, and knows no changes.
    #[error("the cluster has no leader")]
    NoLeader,
    /// The agent stopped answering while a query waited.
    #[error("the agent has fallen silent: {0}")]
    Silent(Arc<str>),
    /// The address is one of HTTPS, and nothing says whom to trust.
    #[error("the agent speaks TLS: give a configuration by `Agent::tls`")]
    NoTls,
    /// Another client failed.
    #[error(transparent)]
    Other(Box<dyn error::Error + Send + Sync>),
}
