mod future;
mod service;

pub use self::{future::ResponseFuture, service::Server};
