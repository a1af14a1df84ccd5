mod error;
mod future;
#[cfg(feature = "client")]
mod pool;
mod service;

#[cfg(feature = "client")]
pub use self::pool::{Pool, pool};
pub use self::{
    error::{CallError, Rejection},
    future::CallFuture,
    service::Client,
};
