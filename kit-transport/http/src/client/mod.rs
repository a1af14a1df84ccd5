#[cfg(feature = "client")]
mod connect;
mod error;
mod future;
mod head;
mod not_connected;
mod open;
#[cfg(feature = "client")]
mod pool;
mod problem;
mod raw;
mod replies;
mod retry_after;
mod service;
mod streaming;
#[cfg(feature = "tls")]
mod tls;
mod unprocessed;

#[cfg(feature = "client")]
pub use self::pool::{Pool, PoolOptions, pool};
#[cfg(feature = "tls")]
pub use self::tls::{BadCertificate, Tls};
pub(crate) use self::unprocessed::is_unprocessed;
pub use self::{
    error::{CallError, Rejection},
    future::CallFuture,
    not_connected::NotConnected,
    open::OpenFuture,
    problem::ReceivedProblem,
    raw::{Raw, RawBody, RawFuture},
    replies::Replies,
    service::Client,
    streaming::StreamClient,
};
