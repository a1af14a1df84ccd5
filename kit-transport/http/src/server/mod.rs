mod exchange;
mod future;
mod reply_body;
mod service;

use self::exchange::Exchange;
pub use self::{
    future::{ResponseFuture, StreamFuture},
    reply_body::ReplyBody,
    service::Server,
};
